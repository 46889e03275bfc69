use std::cell::Cell;
use std::sync::Arc;

use tricolor_gc::{Gc, Heap};

// The last owner drops the content, and a sweeper on another thread may be that.
fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let shared = Arc::new(Cell::new(1));
        Gc::new(mc, shared.clone());
        Gc::new(mc, Arc::downgrade(&shared));
    });
}
