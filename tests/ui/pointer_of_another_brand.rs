use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc, 'other> {
    pointer: Gc<'gc, u8>,
    stranger: Gc<'other, u8>,
}

fn main() {}
