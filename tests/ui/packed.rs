use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
#[repr(C, packed(2))]
struct Packed<'gc> {
    tag: u8,
    pointer: Gc<'gc, u8>,
}

fn main() {}
