use tricolor_gc::{Gc, GcRefCell, GcRwLock, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let cell = Gc::new(mc, GcRefCell::new(vec![Gc::new(mc, 1)]));
        cell.borrow().clear();
        let lock = Gc::new(mc, GcRwLock::new(vec![Gc::new(mc, 1)]));
        lock.read().clear();
    });
}
