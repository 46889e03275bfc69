use std::cell::UnsafeCell;
use std::mem::{ManuallyDrop, MaybeUninit};

use tricolor_gc::{Gc, Trace};

type Pointer<'gc> = Option<Gc<'gc, u8>>;

fn traced<'gc, T: Trace<'gc>>() {}

fn never<'gc>() {
    traced::<'gc, UnsafeCell<Pointer<'gc>>>();
    traced::<'gc, MaybeUninit<Pointer<'gc>>>();
    traced::<'gc, ManuallyDrop<Pointer<'gc>>>();
    traced::<'gc, *const Pointer<'gc>>();
    traced::<'gc, *mut Pointer<'gc>>();
}

fn main() {}
