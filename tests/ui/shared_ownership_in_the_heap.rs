use std::rc::Rc;

use tricolor_gc::{Gc, GcRefCell, Heap};

// Two owners of one cell: a barrier on one would not see the other.
fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        Gc::new(mc, Rc::new(GcRefCell::new(Some(Gc::new(mc, 1)))));
    });
}
