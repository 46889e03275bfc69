use tricolor_gc::{Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcSlot, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let target = Gc::new(mc, 1);
        Gc::new(mc, GcSlot::new(Some(target))).set(None);
        Gc::new(mc, GcCell::new(Some(target))).set(None);
        Gc::new(mc, GcRefCell::new(Some(target))).borrow_mut().take();
        Gc::new(mc, GcMutex::new(Some(target))).lock().take();
        Gc::new(mc, GcRwLock::new(Some(target))).write().take();
        let _ = Gc::new(mc, GcOnceCell::new()).set(target);
    });
}
