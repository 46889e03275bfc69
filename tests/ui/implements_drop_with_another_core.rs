use tricolor_gc::{Gc, Trace};

extern crate self as core;

pub mod marker {
    pub use std::marker::*;
}

pub mod primitive {
    pub use std::primitive::*;
}

pub mod ops {
    pub trait Drop {}
}

#[derive(Trace)]
struct Node<'gc> {
    pointer: Gc<'gc, u8>,
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        println!("{}", self.pointer);
    }
}

fn main() {}
