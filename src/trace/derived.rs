//! What `#[derive(Trace)]` asks of a type. The derive prints no type of a field: it prints a closure that leads from a value to the
//! field, and the compiler puts in the type.
//!
//! ```text
//! const NEEDS_TRACE: bool = false
//!     || <Tracer<'gc>>::__traced(|this: &mut Self| { let Self { value: at, .. } = this; at }).needs_trace;
//! ```
//!
//! The closure is never called. It leads to the field by `&mut`, which says its type exactly: by `&` a longer lifetime in it could be taken
//! for a shorter one.
//!
//! **Why on the tracer.** The path of this crate is the program's to say, and may lead to a module of its own that shows this crate's trait beside
//! functions that answer something else. But the tracer is named in the signature of `trace`, which the compiler compares with the
//! trait's: the implementation is one of this crate's trait only if the tracer is this crate's, and the functions of it that belong to no
//! trait, which come before all others, are these.
//!
//! **Two questions** have the form "is it known that": whether a field is `Send`, and whether the type implements `Drop`. They are
//! asked by a method of a type of this crate that exists if it is; otherwise the method of a trait that the derive prints is taken. Both take
//! `self` by value, so that no method of the program's is nearer; one that is as near as the derive's is refused as ambiguous.

use core::marker::PhantomData;
use core::mem::needs_drop;

use super::{Trace, Tracer};

/// What a field says of the constants of the type.
#[derive(Clone, Copy)]
pub struct Answers {
    /// Its [`Trace::NEEDS_TRACE`].
    pub needs_trace: bool,
    /// Its [`Trace::UNTIED`].
    pub untied: bool,
    /// Its [`Trace::IMMUTABLE`].
    pub immutable: bool,
    /// Its [`Trace::CELLS_INLINE`], or it has no cells.
    pub cells_inline: bool,
    /// Its glue may run anywhere, though it be not `Send`.
    pub drop_is_send: bool,
}

/// Stands for a field.
pub struct Place<T: ?Sized>(PhantomData<*mut T>);

impl<T: ?Sized + Send> Place<T> {
    /// Exists if the field is.
    pub const fn __if_send(self) -> KnownToBeSend {
        KnownToBeSend
    }
}

/// The answer to the first of the two questions.
pub trait IsSend {
    /// What it is.
    const IS_SEND: bool;
}

/// Yes.
pub struct KnownToBeSend;

impl IsSend for KnownToBeSend {
    const IS_SEND: bool = true;
}

/// Not known.
impl IsSend for () {
    const IS_SEND: bool = false;
}

/// Stands for a type of which is asked whether it implements `Drop`.
pub struct DropProbe<S: ?Sized>(PhantomData<*mut S>);

/// What is found for a type that does. Its name is the message of the error.
pub struct TypeDerivingTraceMayNotImplementDrop;

#[allow(drop_bounds)] // To find an implementation by the program's type itself is what it is for.
impl<S: ?Sized + Drop> DropProbe<S> {
    /// Exists if the type implements `Drop`.
    pub const fn __if_drop(self) -> TypeDerivingTraceMayNotImplementDrop {
        TypeDerivingTraceMayNotImplementDrop
    }
}

/// Implemented by types with a brand, which the derive has the compiler confirm.
pub trait __Branded {
    /// A type that mentions the brand: only a parameter of the type may be mentioned.
    type Brand;
}

/// For the derive alone.
#[doc(hidden)]
impl<'gc> Tracer<'gc> {
    /// A field that is traced, and answers for itself.
    pub const fn __traced<S: ?Sized, T: ?Sized + Trace<'gc>>(_: fn(&mut S) -> &mut T) -> Answers {
        Answers {
            needs_trace: T::NEEDS_TRACE,
            untied: T::UNTIED,
            immutable: T::IMMUTABLE,
            cells_inline: T::IMMUTABLE || T::CELLS_INLINE,
            drop_is_send: T::DROP_IS_SEND,
        }
    }

    /// A field that is traced, and whose answers depend on those of the type: it is not asked. It is traced on suspicion, and may mention the type
    /// inside a cell, or in a box.
    pub const fn __recursive<S: ?Sized, T: ?Sized + Trace<'gc>>(
        _: fn(&mut S) -> &mut T,
    ) -> Answers {
        Answers {
            needs_trace: true,
            untied: true,
            immutable: false,
            cells_inline: false,
            drop_is_send: !needs_drop::<T>(),
        }
    }

    /// A field, or a type, that is not traced: it holds no `Gc` (T10).
    pub const fn __skipped<S: ?Sized, T: ?Sized + 'static>(_: fn(&mut S) -> &mut T) -> Answers {
        Answers {
            needs_trace: false,
            untied: false,
            immutable: true,
            cells_inline: true,
            drop_is_send: !needs_drop::<T>(),
        }
    }

    /// A field is of the type that the derive prints, that of a function. Neither is coerced to the other.
    pub const fn __code<T: ?Sized>(_: Place<T>, _: Place<T>) {}

    /// A type by its name.
    pub const fn __place<T: ?Sized>() -> Place<T> {
        Place(PhantomData)
    }

    /// The type of a field.
    pub const fn __place_of<T: ?Sized>(_: &mut T) -> Place<T> {
        Place(PhantomData)
    }

    /// Whether a field is known to be `Send`, by what `__if_send` of its place returns.
    pub const fn __is_send<S: ?Sized, A: IsSend>(_: fn(&mut S) -> A) -> bool {
        A::IS_SEND
    }

    /// See [`DropProbe`].
    pub const fn __drop_probe<S: ?Sized>() -> DropProbe<S> {
        DropProbe(PhantomData)
    }

    /// Whether a type has no size, so that others may unsize to it.
    pub const fn __is_unsized<S: ?Sized>() -> bool {
        size_of::<*const S>() != size_of::<*const ()>()
    }

    /// Whether a type has no drop glue.
    pub const fn __has_no_glue<S: ?Sized>() -> bool {
        !needs_drop::<S>()
    }
}
