//! [`Static`]: any `'static` value as a leaf.

use std::fmt;
use std::mem::needs_drop;
use std::ops::{Deref, DerefMut};

use crate::trace::{Trace, Tracer};

/// Makes any `'static` value a leaf that can be part of a traced object.
///
/// For values whose type does not implement [`Trace`] and is not yours to derive it for: a `Box<dyn Any>`, a file, a
/// type of another crate. A `'static` type cannot hold a `Gc`, so there is nothing to trace.
///
/// In a type that derives `Trace`, `#[trace(skip)]` on the field does the same without a wrapper.
///
/// ```
/// use tricolor_gc::{Static, Trace};
///
/// #[derive(Trace)]
/// struct Log {
///     name: String,
///     files: Vec<Static<std::fs::File>>,
/// }
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Static<T: ?Sized + 'static>(pub T);

// SAFETY: the content is `'static` and holds no `Gc` (T10): nothing to report (T1, T8), in any heap (T5), nothing is read (T2), and any
// destructor will do (T3, T6), at home (T4).
unsafe impl<'gc, T: ?Sized + 'static> Trace<'gc> for Static<T> {
    const NEEDS_TRACE: bool = false;
    const IMMUTABLE: bool = true;
    const DROP_IS_SEND: bool = !needs_drop::<T>();
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

impl<T: ?Sized> Deref for Static<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for Static<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Static<T> {
    fn from(value: T) -> Self {
        Static(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Static<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Static<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
