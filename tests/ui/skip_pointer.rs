use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc> {
    #[trace(skip)]
    pointer: Gc<'gc, u8>,
}

#[derive(Trace)]
enum Value<'gc> {
    Nil,
    Pointer {
        #[trace(skip)]
        pointer: Option<Box<Gc<'gc, u8>>>,
    },
}

fn main() {}
