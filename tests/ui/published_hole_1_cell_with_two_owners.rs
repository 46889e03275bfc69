// gc-arena 0.6.1 and 0.7.0: a scanned object and a new one share a cell through an `Rc`. The barrier asked the new one, which needs
// none, and the scanned one kept a pointer that no marker had seen.

use std::rc::Rc;

use tricolor_gc::{Gc, GcRefCell, Heap, Trace};

#[derive(Trace)]
struct Owner<'gc> {
    cell: Rc<GcRefCell<Option<Gc<'gc, String>>>>,
}

fn main() {
    Heap::new().attach().enter(|mc| {
        let cell = Rc::new(GcRefCell::new(None));
        let scanned = Gc::new(mc, Owner { cell: cell.clone() });
        let new = Gc::new(mc, Owner { cell });
        *new.cell.borrow_mut(mc) = Some(Gc::new(mc, String::from("canary")));
        assert!(scanned.cell.borrow().is_some());
    });
}
