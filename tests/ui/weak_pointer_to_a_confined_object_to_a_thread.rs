use std::thread;

use tricolor_gc::{Gc, GcCell, GcWeak, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let object = Gc::new(mc, GcCell::new(1));
        let weak = Gc::downgrade(object, mc);
        thread::scope(|scope| {
            scope.spawn(move || GcWeak::ptr_eq(weak, weak));
        });
    });
}
