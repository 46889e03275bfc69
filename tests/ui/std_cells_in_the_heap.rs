use std::cell::{Cell, OnceCell, RefCell};
use std::sync::{Mutex, OnceLock, RwLock};

use tricolor_gc::{Gc, Trace};

type Pointer<'gc> = Option<Gc<'gc, u8>>;

fn traced<'gc, T: Trace<'gc>>() {}

fn cell<'gc>() {
    traced::<'gc, Cell<Pointer<'gc>>>();
}

fn ref_cell<'gc>() {
    traced::<'gc, RefCell<Pointer<'gc>>>();
}

fn once_cell<'gc>() {
    traced::<'gc, OnceCell<Pointer<'gc>>>();
}

fn mutex<'gc>() {
    traced::<'gc, Mutex<Pointer<'gc>>>();
}

fn rw_lock<'gc>() {
    traced::<'gc, RwLock<Pointer<'gc>>>();
}

fn once_lock<'gc>() {
    traced::<'gc, OnceLock<Pointer<'gc>>>();
}

fn main() {}
