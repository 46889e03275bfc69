use std::marker::PhantomData;

use tricolor_gc::{Gc, Trace};

/// Has the name of the derive's check, so that the clause would not hold beside it.
trait TypeDerivingTraceMayNotImplementDrop {}

trait Holds {}

struct Pair<A: ?Sized, B>(PhantomData<A>, PhantomData<B>);

impl<T> Holds for Pair<dyn TypeDerivingTraceMayNotImplementDrop, T> {}

#[derive(Trace)]
struct Node<'gc, T>
where
    Pair<dyn TypeDerivingTraceMayNotImplementDrop, T>: Holds,
{
    pointer: Gc<'gc, T>,
}

impl<T> Drop for Node<'_, T>
where
    Pair<dyn TypeDerivingTraceMayNotImplementDrop, T>: Holds,
{
    fn drop(&mut self) {
        let _ = &*self.pointer;
    }
}

fn main() {}
