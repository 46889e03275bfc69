use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
#[trace(skip)]
struct Node<'gc> {
    pointer: Gc<'gc, u8>,
}

fn main() {}
