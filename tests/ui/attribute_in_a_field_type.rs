use tricolor_gc::{Gc, Trace};

struct Size<const N: usize>;

trait Choose<'gc> {
    type Type;
}

impl<'gc> Choose<'gc> for Size<1> {
    type Type = Gc<'gc, u8>;
}

// A derive of the program's own, in the place of `Clone`, could choose another size each time.
#[derive(Trace)]
struct Node<'gc> {
    pointer: <Size<{ #[derive(Clone)] struct Byte(u8); size_of::<Byte>() }> as Choose<'gc>>::Type,
}

fn main() {}
