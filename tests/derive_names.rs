//! `#[derive(Trace)]` in a program that uses the names of the derive's output for things of its own, and calls another crate
//! `core`. What is refused there is in `ui/`.

#![forbid(unsafe_code)]
#![deny(warnings)]
#![allow(dead_code, missing_docs, non_camel_case_types, non_upper_case_globals)]

use std::rc::Rc;

use tricolor_gc::{Gc, Trace};

// What the derive calls `::core` is this file.
extern crate self as core;

/// All is `Send`, and may be taken for it.
pub mod marker {
    pub use std::marker::*;

    pub trait Send {}
    impl<T: ?::std::marker::Sized> Send for T {}
}

/// Nothing is dropped.
pub mod mem {
    pub const fn needs_drop<T: ?Sized>() -> bool {
        false
    }
}

pub mod primitive {
    pub use std::primitive::*;
}

/// `(NEEDS_TRACE, DROP_IS_SEND)`.
fn constants<'gc, T: ?Sized + Trace<'gc>>() -> (bool, bool) {
    (T::NEEDS_TRACE, T::DROP_IS_SEND)
}

#[derive(Trace)]
struct Shared {
    #[trace(skip)]
    shared: Rc<u8>,
}

#[derive(Trace)]
#[trace(skip)]
struct SkippedShared(Rc<u8>);

#[derive(Trace)]
struct Sent {
    #[trace(skip)]
    sent: String,
}

#[test]
fn another_core_changes_no_answer() {
    assert!(!::core::mem::needs_drop::<Rc<u8>>());
    assert_eq!(constants::<Shared>(), (false, false));
    assert_eq!(constants::<SkippedShared>(), (false, false));
    assert_eq!(constants::<Sent>(), (false, true));
}

mod same_names {
    use super::*;

    const __place_of: u8 = 0;
    fn __at() {}

    pub(super) mod __core {}

    /// A parameter may not have the name of a constant.
    #[derive(Debug)]
    pub(super) struct tracer;

    #[derive(Trace)]
    pub(super) struct Place(#[trace(skip)] Rc<u8>);

    #[derive(Trace)]
    pub(super) struct __Otherwise<'gc>(Rc<u8>, Gc<'gc, Self>);

    /// The derive's type parameters have this name.
    #[derive(Trace)]
    pub(super) struct __T(Rc<u8>);

    #[derive(Trace)]
    pub(super) struct OfParameters<__T, __U: ?Sized>(Rc<u8>, __T, Box<__U>);

    /// By another name the type is the program's.
    type Alias = Place;

    #[derive(Trace)]
    pub(super) struct Holder(Alias, __T);
}

#[test]
fn things_of_the_same_names_are_the_programs() {
    use same_names as s;
    assert_eq!(constants::<s::Place>(), (false, false));
    assert_eq!(constants::<s::__Otherwise<'_>>(), (true, false));
    assert_eq!(constants::<s::__T>(), (false, false));
    assert_eq!(constants::<s::OfParameters<u8, str>>(), (false, false));
    assert_eq!(constants::<s::Holder>(), (false, false));
}
