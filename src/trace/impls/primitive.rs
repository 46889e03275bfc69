//! Leaves without type parameters, and function pointers.

use std::alloc::Layout;
use std::any::TypeId;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::marker::{PhantomData, PhantomPinned};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
    NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize,
};
use std::ops::RangeFull;
use std::path::{Path, PathBuf};
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
    AtomicUsize,
};
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime};

use crate::trace::{Trace, Tracer};

/// Leaves that can be sent to other threads. That they are `Send`, hence droppable anywhere, is checked. With the bytes that they own, if they may.
macro_rules! leaf {
    ($($ty:ty $(: $value:ident => $owned:expr)?),* $(,)?) => {$(
        const _: () = {
            const fn is_send<T: ?Sized + Send + 'static>() {}
            is_send::<$ty>();
        };

        // SAFETY: the type is `'static` (asserted above) and holds no `Gc` (T10): nothing to report (T1, T8), in any heap (T5), nothing is read
        // (T2), and any destructor will do (T3, T6), on any thread, for it is `Send` (T4).
        unsafe impl<'gc> Trace<'gc> for $ty {
            const NEEDS_TRACE: bool = false;
            const IMMUTABLE: bool = true;
            const DROP_IS_SEND: bool = true;
            const __CAREFUL: bool = true;

            #[inline]
            fn trace(&self, _tracer: &mut Tracer<'gc>) {
                $(if _tracer.measures() {
                    let $value = self;
                    _tracer.owns::<u8>($owned);
                })?
            }
        }
    )*};
}

leaf!(bool, char, f32, f64, str, ());
leaf!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);
leaf!(
    NonZeroU8,
    NonZeroU16,
    NonZeroU32,
    NonZeroU64,
    NonZeroU128,
    NonZeroUsize
);
leaf!(
    NonZeroI8,
    NonZeroI16,
    NonZeroI32,
    NonZeroI64,
    NonZeroI128,
    NonZeroIsize
);
leaf!(AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicUsize);
leaf!(AtomicI8, AtomicI16, AtomicI32, AtomicIsize);
#[cfg(target_has_atomic = "64")]
leaf!(AtomicI64, AtomicU64);
leaf!(Path, OsStr, CStr);
leaf! {
    String: value => value.capacity(),
    PathBuf: value => value.capacity(),
    OsString: value => value.capacity(),
    CString: value => value.as_bytes_with_nul().len(),
}
leaf!(
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6
);
leaf!(Duration, Instant, SystemTime, ThreadId);
leaf!(
    Infallible,
    Layout,
    Ordering,
    PhantomPinned,
    RangeFull,
    TypeId
);

// SAFETY: it holds nothing, whatever `T` is: nothing to report (T1, T8), in any heap (T5), nothing is read (T2) or dropped (T3, T4, T6).
unsafe impl<'gc, T: ?Sized> Trace<'gc> for PhantomData<T> {
    const NEEDS_TRACE: bool = false;
    const IMMUTABLE: bool = true;
    const DROP_IS_SEND: bool = true;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

/// Function pointers. Those with a lifetime of their own, as in `fn(&u8)`, are other types, which no implementation
/// covers; the derive takes every field written as `fn(…)` for a leaf.
macro_rules! fn_pointer {
    ($($arg:ident)*) => {
        fn_pointer!(@ fn($($arg),*) -> R; $($arg)*);
        fn_pointer!(@ unsafe fn($($arg),*) -> R; $($arg)*);
        fn_pointer!(@ extern "C" fn($($arg),*) -> R; $($arg)*);
        fn_pointer!(@ unsafe extern "C" fn($($arg),*) -> R; $($arg)*);
    };
    (@ $ty:ty; $($arg:ident)*) => {
        // SAFETY: an address of code, it holds no value of its parameter types: nothing to report (T1, T8), in any heap (T5), nothing is read
        // (T2) or dropped (T3, T4, T6).
        unsafe impl<'gc, R, $($arg),*> Trace<'gc> for $ty {
            const NEEDS_TRACE: bool = false;
            const IMMUTABLE: bool = true;
            const DROP_IS_SEND: bool = true;
            const __CAREFUL: bool = true;

            #[inline]
            fn trace(&self, _: &mut Tracer<'gc>) {}
        }
    };
}

fn_pointer!();
fn_pointer!(A);
fn_pointer!(A B);
fn_pointer!(A B C);
fn_pointer!(A B C D);
fn_pointer!(A B C D E);
fn_pointer!(A B C D E F);
fn_pointer!(A B C D E F G);
fn_pointer!(A B C D E F G H);
