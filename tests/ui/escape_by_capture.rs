use std::cell::{Cell, RefCell};

use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    let mut option = None;
    mutator.enter(|mc| option = Some(Gc::new(mc, 1)));
    let cell = Cell::new(None);
    mutator.enter(|mc| cell.set(Some(Gc::new(mc, 1))));
    let list = RefCell::new(Vec::new());
    mutator.enter(|mc| list.borrow_mut().push(Gc::new(mc, 1)));
}
