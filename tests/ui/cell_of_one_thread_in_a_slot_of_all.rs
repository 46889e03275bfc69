use std::thread;

use tricolor_gc::{Gc, GcCell, Heap};

// The object is confined to its thread by its cell, whatever leads to it.
fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let object = Gc::new(mc, GcCell::new(1));
        thread::scope(|scope| {
            scope.spawn(move || object.get());
        });
    });
}
