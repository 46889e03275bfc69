use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
struct Node<'a, 'b> {
    left: Gc<'a, u8>,
    right: Gc<'b, u8>,
}

#[derive(Trace)]
#[trace(gc = 'heap)]
struct Unknown<'a> {
    pointer: Gc<'a, u8>,
}

fn main() {}
