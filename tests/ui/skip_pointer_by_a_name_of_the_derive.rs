use tricolor_gc::{Gc, Trace};

/// Eight bytes, where the derive's function of that name has none.
#[allow(non_upper_case_globals)]
const skipped_data_is_static: u64 = 1;

struct Size<const N: usize>;

trait Choose<'gc> {
    type Type;
}

impl<'gc> Choose<'gc> for Size<8> {
    type Type = Gc<'gc, u8>;
}

impl<'gc> Choose<'gc> for Size<0> {
    type Type = u8;
}

#[derive(Trace)]
struct Node<'gc> {
    traced: Gc<'gc, u8>,
    #[trace(skip)]
    pointer: <Size<{ size_of_val(&skipped_data_is_static) }> as Choose<'gc>>::Type,
}

fn main() {
    assert_eq!(skipped_data_is_static, 1);
}
