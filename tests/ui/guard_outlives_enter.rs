use tricolor_gc::{Gc, GcRefCell, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    let _guard = mutator.enter(|mc| {
        let cell = Gc::new(mc, GcRefCell::new(1));
        Gc::as_ref(cell).borrow_mut(mc)
    });
    let _guard = mutator.enter(|mc| {
        let cell = Gc::new(mc, GcRefCell::new(1));
        Gc::as_ref(cell).borrow()
    });
}
