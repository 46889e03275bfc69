use std::ops::{Deref, DerefMut};

use late_attribute::becomes;
use tricolor_gc::{Gc, Trace};

/// What the derive sees is a function's address.
#[derive(Trace)]
#[becomes(struct Node<'gc> { traced: Gc<'gc, u8>, code: Gc<'gc, u8> })]
struct Node<'gc> {
    traced: Gc<'gc, u8>,
    code: fn(),
}

/// A reference to it becomes one to such an address.
struct Hides<'gc>(Gc<'gc, u8>, fn());

impl Deref for Hides<'_> {
    type Target = fn();

    fn deref(&self) -> &fn() {
        &self.1
    }
}

impl DerefMut for Hides<'_> {
    fn deref_mut(&mut self) -> &mut fn() {
        &mut self.1
    }
}

#[derive(Trace)]
#[becomes(struct Other<'gc> { traced: Gc<'gc, u8>, code: Hides<'gc> })]
struct Other<'gc> {
    traced: Gc<'gc, u8>,
    code: fn(),
}

/// With another lifetime it is another.
#[derive(Trace)]
#[becomes(struct Longer<'gc> { traced: Gc<'gc, u8>, code: fn(&'static u8) })]
struct Longer<'gc> {
    traced: Gc<'gc, u8>,
    code: fn(&'gc u8),
}

fn main() {}
