//! What the code printed by `#[derive(Trace)]` calls. Exported as `tricolor_gc::__private`; no part of the public
//! interface, and free to change with any version of the derive.

use std::marker::PhantomData;

use super::{Trace, Tracer};

/// Compiles only for types that hold no `Gc`: the brand of a `Gc` is never `'static`.
pub const fn assert_static<T: ?Sized + 'static>() {}

/// `SendProbe::<T>::IS_SEND` tells whether `T: Send` is known, where [`NotSend`] is in scope.
///
/// An inherent constant is preferred to a trait's, so the answer is the inherent `true` if its bound holds and the
/// trait's `false` otherwise. In generic code it is decided from the bounds in scope, before the parameters are known:
/// a `false` may then be too cautious, a `true` is always right.
#[derive(Debug)]
pub struct SendProbe<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized + Send> SendProbe<T> {
    /// The type can be sent to another thread and dropped there.
    pub const IS_SEND: bool = true;
}

/// The answer of [`SendProbe`] for all other types.
pub trait NotSend {
    /// Nothing is known.
    const IS_SEND: bool = false;
}

impl<T: ?Sized> NotSend for SendProbe<T> {}

/// Stands for a type inside its own definition while its constants are computed; see the derive's module `recursion`.
///
/// Its constants are the neutral elements, so a container of it answers for everything else that it holds. It has a
/// destructor because the type it stands for may: a leaf that asks `needs_drop` must be told so. It has no values.
#[derive(Debug)]
pub enum Recursive {}

impl Drop for Recursive {
    fn drop(&mut self) {}
}

// SAFETY: there is no value of the type.
unsafe impl<'gc> Trace<'gc> for Recursive {
    const NEEDS_TRACE: bool = false;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'gc>) {}
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::{NotSend as _, Recursive, SendProbe};

    #[test]
    fn probe_prefers_the_inherent_constant() {
        const { assert!(SendProbe::<String>::IS_SEND) };
        const { assert!(SendProbe::<Box<dyn Fn() + Send>>::IS_SEND) };
        const { assert!(!SendProbe::<Rc<u8>>::IS_SEND) };
        const { assert!(!SendProbe::<Box<dyn Fn()>>::IS_SEND) };
    }

    #[test]
    fn probe_is_cautious_in_generic_code() {
        fn generic<T>() -> bool {
            SendProbe::<Vec<T>>::IS_SEND
        }
        fn bounded<T: Send>() -> bool {
            SendProbe::<Vec<T>>::IS_SEND
        }
        assert!(!generic::<u8>());
        assert!(bounded::<u8>());
    }

    #[test]
    fn stand_in_needs_drop() {
        const { assert!(std::mem::needs_drop::<Recursive>()) };
    }
}
