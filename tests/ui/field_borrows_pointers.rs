use std::cell::Cell;

use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
struct Borrowed<'gc> {
    reference: &'gc Cell<Option<Gc<'gc, u8>>>,
}

fn main() {}
