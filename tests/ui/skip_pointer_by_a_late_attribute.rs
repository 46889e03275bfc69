use std::fmt::Debug;

use late_attribute::becomes;
use tricolor_gc::{Gc, Trace};

// What the derive sees has a lifetime that is not written, which in a body may be any.
#[derive(Trace)]
#[becomes(struct Node<'gc> { traced: Gc<'gc, u8>, pointer: Gc<'gc, u8> })]
struct Node<'gc> {
    traced: Gc<'gc, u8>,
    #[trace(skip)]
    pointer: Gc<'_, u8>,
}

#[derive(Trace)]
#[becomes(struct Hidden<'gc> { traced: Gc<'gc, u8>, pointer: Box<dyn Debug + 'gc> })]
struct Hidden<'gc> {
    traced: Gc<'gc, u8>,
    #[trace(skip)]
    pointer: Box<dyn Debug>,
}

fn main() {}
