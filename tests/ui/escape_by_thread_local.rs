use std::cell::Cell;

use tricolor_gc::{Gc, Heap};

thread_local! {
    static KEPT: Cell<Option<Gc<'static, u8>>> = const { Cell::new(None) };
}

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| KEPT.with(|kept| kept.set(Some(Gc::new(mc, 1)))));
}
