use late_attribute::becomes;
use tricolor_gc::{Gc, Trace};

/// As large as a byte, where the derive's struct of that name has no size.
struct __SendProbe<T>(T);

struct Size<const N: usize>;

trait Choose<'gc> {
    type Type: ?Sized;
}

impl<'gc> Choose<'gc> for Size<1> {
    type Type = str;
}

impl<'gc> Choose<'gc> for Size<0> {
    type Type = Gc<'gc, str>;
}

// The type of the field is right beside the derive's items. Elsewhere it is `str`, and a pointer to one dereferences to it.
#[derive(Trace)]
#[becomes(struct Node<'gc> { pointer: Gc<'gc, str> })]
struct Node<'gc> {
    pointer: <Size<{ size_of::<__SendProbe<u8>>() }> as Choose<'gc>>::Type,
}

fn main() {
    let _ = __SendProbe(1);
}
