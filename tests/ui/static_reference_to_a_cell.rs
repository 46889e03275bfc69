use tricolor_gc::{Gc, GcRefCell, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let cell: &'static _ = Box::leak(Box::new(GcRefCell::new(Gc::new(mc, 1))));
        Gc::new(mc, cell);
    });
}
