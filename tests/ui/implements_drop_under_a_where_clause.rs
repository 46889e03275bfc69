use std::marker::PhantomData;

use tricolor_gc::{Gc, Trace};

/// Has a name of the derive's: beside its items the clauses would say something else, one what holds of everything, one
/// what does not hold.
trait TypeDerivingTraceMayNotImplementDrop {}

impl<T> TypeDerivingTraceMayNotImplementDrop for Node<'_, T> {}

trait Holds {}

struct Pair<A: ?Sized, B>(PhantomData<A>, PhantomData<B>);

impl<T> Holds for Pair<dyn TypeDerivingTraceMayNotImplementDrop, T> {}

#[derive(Trace)]
struct Node<'gc, T>
where
    Node<'gc, T>: TypeDerivingTraceMayNotImplementDrop,
    Pair<dyn TypeDerivingTraceMayNotImplementDrop, T>: Holds,
{
    pointer: Gc<'gc, T>,
}

impl<'gc, T> Drop for Node<'gc, T>
where
    Node<'gc, T>: TypeDerivingTraceMayNotImplementDrop,
    Pair<dyn TypeDerivingTraceMayNotImplementDrop, T>: Holds,
{
    fn drop(&mut self) {
        let _ = &*self.pointer;
    }
}

fn main() {}
