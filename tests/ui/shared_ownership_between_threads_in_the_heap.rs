use std::sync::Arc;

use tricolor_gc::{Gc, GcMutex, Heap};

// Two owners of one cell: a barrier on one would not see the other.
fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        Gc::new(mc, Arc::new(GcMutex::new(Some(Gc::new(mc, 1)))));
    });
}
