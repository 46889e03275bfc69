use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Mutex;

use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
struct ThroughRc<'gc> {
    shared: Rc<Gc<'gc, u8>>,
}

#[derive(Trace)]
struct ThroughCell<'gc> {
    cell: Cell<Option<Gc<'gc, u8>>>,
}

#[derive(Trace)]
struct ThroughRefCell<'gc>(RefCell<Vec<Gc<'gc, u8>>>);

#[derive(Trace)]
enum ThroughMutex<'gc> {
    Locked(Mutex<Gc<'gc, u8>>),
}

fn main() {}
