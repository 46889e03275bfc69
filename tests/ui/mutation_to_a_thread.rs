use std::thread;

use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        thread::scope(|scope| {
            scope.spawn(|| {
                Gc::new(mc, 1);
            });
        });
    });
}
