use std::thread;

use tricolor_gc::{Gc, GcMutex, GcRefCell, GcRwLock, GcSlot, GcWeak, Heap};

fn shared<T: Sync>(_: &T) {}

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let confined = Gc::new(mc, GcRefCell::new(1));
        shared(&GcSlot::new(confined));
        shared(&GcMutex::new(confined));
        shared(&GcRwLock::new(confined));
        let weak: GcWeak<'_, GcRefCell<i32>> = Gc::downgrade(confined, mc);
        shared(&weak);
    });
    let _ = thread::current();
}
