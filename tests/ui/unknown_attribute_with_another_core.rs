use tricolor_gc::{Gc, Trace};

extern crate self as core;

pub mod primitive {
    pub use std::primitive::*;
}

macro_rules! nothing {
    ($($message:tt)*) => {};
}

pub(crate) use nothing as compile_error;

#[derive(Trace)]
struct Node<'gc> {
    #[trace(ignore)]
    pointer: Gc<'gc, u8>,
}

fn main() {}
