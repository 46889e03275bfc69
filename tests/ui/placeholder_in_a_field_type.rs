use std::marker::PhantomData;
use std::ops::Deref;

use late_attribute::becomes;
use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
struct Holder<T>(T);

impl<T> Deref for Holder<Gc<'_, T>> {
    type Target = Holder<T>;

    fn deref(&self) -> &Holder<T> {
        panic!()
    }
}

// By the clauses `_` is `T` where the constants are asked for, by the definition it is a pointer.
#[derive(Trace)]
#[trace(bound = "Holder<T>: Trace<'gc> + Send")]
#[becomes(struct Node<'gc, T> { pointer: Holder<Gc<'gc, T>>, brand: PhantomData<&'gc ()> })]
struct Node<'gc, T> {
    pointer: Holder<_>,
    brand: PhantomData<&'gc ()>,
}

#[derive(Trace)]
#[becomes(struct Array<'gc> { pointers: [Gc<'gc, u8>; 1] })]
struct Array<'gc> {
    pointers: [Gc<'gc, u8>; _],
}

fn main() {}
