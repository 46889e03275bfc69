use std::cell::Cell;

use tricolor_gc::{Gc, Heap, Trace};

// What a destructor could reach of the stack would be gone before it runs.
#[derive(Trace)]
#[trace(gc = 'gc)]
struct Reports<'gc, 'a> {
    list: Gc<'gc, u8>,
    place: &'a Cell<u32>,
}

fn main() {
    let mut mutator = Heap::new().attach();
    let place = Cell::new(0);
    mutator.enter(|mc| {
        Gc::new(mc, &place);
    });
    mutator.enter(|mc| {
        Gc::new(mc, [0_u8; 4].as_slice());
    });
}
