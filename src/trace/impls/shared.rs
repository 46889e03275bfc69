//! Types that share or mutate what they hold: leaves, for content that is `'static` and so holds no `Gc`.
//!
//! The bound is on the content, written out, although a reference or a pointer to it would imply it: what an
//! implementation's header implies is not checked at each use.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::mem::needs_drop;
use std::rc::{self, Rc};
use std::sync::{self, Arc, Mutex, OnceLock, RwLock};

use crate::trace::{Trace, Tracer};

// SAFETY: the referent is `'static` and holds no `Gc` (T10): nothing to report (T1, T8), in any heap (T5), and nothing is read (T2). A reference
// drops nothing (T3, T4, T6).
unsafe impl<'gc, T: ?Sized + 'static> Trace<'gc> for &'static T {
    const NEEDS_TRACE: bool = false;
    const IMMUTABLE: bool = true;
    const DROP_IS_SEND: bool = true;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

/// Cells and locks of std.
macro_rules! cell {
    ($($name:ident<$param:ident $(: ?$sized:ident)?>),* $(,)?) => {$(
        // SAFETY: the content is `'static` and holds no `Gc` (T10): nothing to report (T1, T8), in any heap (T5), nothing is read (T2), and any
        // destructor will do (T3, T6), at home (T4). A lock of the operating system may be dropped on any thread.
        unsafe impl<'gc, $param: $(?$sized +)? 'static> Trace<'gc> for $name<$param> {
            const NEEDS_TRACE: bool = false;
            const IMMUTABLE: bool = true;
            const DROP_IS_SEND: bool = !needs_drop::<$param>();
            const __CAREFUL: bool = true;

            #[inline]
            fn trace(&self, _: &mut Tracer<'gc>) {}
        }
    )*};
}

cell!(Cell<T: ?Sized>, RefCell<T: ?Sized>, OnceCell<T>, Mutex<T: ?Sized>, RwLock<T: ?Sized>, OnceLock<T>);

/// Counted pointers. `Arc` asks for content that makes it `Send`: without that it does no more than `Rc`, and with it
/// it can be dropped on any thread.
macro_rules! counted {
    ($($ty:ty: [$($bounds:tt)*], $drop_is_send:literal;)*) => {$(
        // SAFETY: the content is `'static` and holds no `Gc` (T10): nothing to report (T1, T8), in any heap (T5), nothing is read (T2), and any
        // destructor will do (T3, T6), at home, or anywhere if the bounds make the pointer `Send` (T4).
        unsafe impl<'gc, T: ?Sized + 'static + $($bounds)*> Trace<'gc> for $ty {
            const NEEDS_TRACE: bool = false;
            const IMMUTABLE: bool = true;
            const DROP_IS_SEND: bool = $drop_is_send;
            const __CAREFUL: bool = true;

            #[inline]
            fn trace(&self, _: &mut Tracer<'gc>) {}
        }
    )*};
}

counted! {
    Rc<T>: [], false;
    rc::Weak<T>: [], false;
    Arc<T>: [Send + Sync], true;
    sync::Weak<T>: [Send + Sync], true;
}

// SAFETY: the borrowed and the owned form are `'static` and hold no `Gc` (T10): nothing to report (T1, T8), in any heap (T5), nothing is read
// (T2), and any destructor will do (T3, T6), where that of the owned form may run (T4).
unsafe impl<'gc, T> Trace<'gc> for Cow<'static, T>
where
    T: ?Sized + ToOwned + 'static,
    T::Owned: Trace<'gc> + 'static,
{
    const NEEDS_TRACE: bool = false;
    const IMMUTABLE: bool = true;
    const DROP_IS_SEND: bool = <T::Owned as Trace<'gc>>::DROP_IS_SEND;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if tracer.measures()
            && let Cow::Owned(owned) = self
        {
            tracer.visit(owned);
        }
    }
}
