//! What `#[derive(Trace)]` asks of a type. The derive prints no type of a field: it prints a closure that leads from a value to the
//! field, and the compiler puts in the type.
//!
//! ```text
//! const __ANSWERS: Answers = <Tracer<'gc>>::__answers::<Self>(true, false, &[<Tracer<'gc>>::__traced(|this: &mut Self| {
//!     let Self { value: at, .. } = this;
//!     (<Tracer<'gc>>::__place_of(at).__if_send(), at)
//! })]);
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

/// The constants of a type, or what a field says of them.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// [`Trace::NEEDS_TRACE`].
    pub needs_trace: bool,
    /// [`Trace::UNTIED`].
    pub untied: bool,
    /// [`Trace::IMMUTABLE`].
    pub immutable: bool,
    /// [`Trace::CELLS_INLINE`], or there are no cells.
    pub cells_inline: bool,
    /// [`Trace::DROP_IS_SEND`], or there is nothing to drop.
    pub drop_is_send: bool,
    /// `trace` is this crate's or the derive's, and calls none that is written by hand when it is called to measure what a value owns (`cycle::owned`):
    /// this crate's ask before (`Tracer::visit`), and the derive's have no field that may.
    pub measured: bool,
}

impl Answers {
    /// What a type says of itself, as a field.
    pub(super) const fn of<'gc, T: ?Sized + Trace<'gc>>() -> Answers {
        Answers {
            needs_trace: T::NEEDS_TRACE,
            untied: T::UNTIED,
            immutable: T::IMMUTABLE,
            cells_inline: T::IMMUTABLE || T::CELLS_INLINE,
            drop_is_send: T::DROP_IS_SEND,
            measured: T::__CAREFUL,
        }
    }

    /// Of no fields.
    const LEAF: Answers = Answers {
        needs_trace: false,
        untied: false,
        immutable: true,
        cells_inline: true,
        drop_is_send: true,
        measured: true,
    };

    /// Of what these are of, and of another.
    const fn and(self, other: Answers) -> Answers {
        Answers {
            needs_trace: self.needs_trace || other.needs_trace,
            untied: self.untied || other.untied,
            immutable: self.immutable && other.immutable,
            cells_inline: self.cells_inline && other.cells_inline,
            drop_is_send: self.drop_is_send && other.drop_is_send,
            measured: self.measured && other.measured,
        }
    }
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
    pub const fn __traced<S: ?Sized, T: ?Sized + Trace<'gc>, A: IsSend>(
        _: fn(&mut S) -> (A, &mut T),
    ) -> Answers {
        let said = Answers::of::<T>();
        Answers {
            drop_is_send: A::IS_SEND || said.drop_is_send,
            measured: T::__ANSWERS.measured,
            ..said
        }
    }

    /// A field that is traced, and whose answers depend on those of the type: it is not asked. It is traced on suspicion, and may mention the type
    /// inside a cell, or in a box.
    pub const fn __recursive<S: ?Sized, T: ?Sized + Trace<'gc>, A: IsSend>(
        _: fn(&mut S) -> (A, &mut T),
    ) -> Answers {
        Answers {
            needs_trace: true,
            untied: true,
            immutable: false,
            cells_inline: false,
            drop_is_send: A::IS_SEND || !needs_drop::<T>(),
            // What is in it is asked when it is visited.
            measured: T::__CAREFUL,
        }
    }

    /// A field, or a type, that is not traced: it holds no `Gc` (T10).
    pub const fn __skipped<S: ?Sized, T: ?Sized + 'static, A: IsSend>(
        _: fn(&mut S) -> (A, &mut T),
    ) -> Answers {
        Answers {
            drop_is_send: A::IS_SEND || !needs_drop::<T>(),
            ..Answers::LEAF
        }
    }

    /// The constants of a type with these fields. Without parameters it is `'static` and holds no `Gc`, whatever its recursive fields say; a type
    /// with a brand is tied to it. One without a size counts as traced, and as untied, so that no cell of it is written: by an attribute after the derive,
    /// its name may be that of an alias for a trait object, or for one instance of a struct, and what unsizes to it has other answers, and may
    /// be in another heap.
    pub const fn __answers<S: ?Sized>(
        has_brand: bool,
        has_types: bool,
        fields: &[Answers],
    ) -> Answers {
        let mut all = Answers::LEAF;
        let mut index = 0;
        while index < fields.len() {
            all = all.and(fields[index]);
            index += 1;
        }
        let is_unsized = size_of::<*const S>() != size_of::<*const ()>();
        let drop_is_send = !needs_drop::<S>() || all.drop_is_send;
        let known = if has_brand || has_types {
            all
        } else {
            Answers::LEAF
        };
        Answers {
            needs_trace: is_unsized || known.needs_trace,
            untied: is_unsized || (!has_brand && known.untied),
            drop_is_send,
            measured: all.measured,
            ..known
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

    /// The brand outlives what the type outlives. So no other heap has values of the type: a `Gc` asks that its target outlive its own
    /// brand.
    pub const fn __outlives<'a, S: ?Sized>(_: &mut &'a S)
    where
        'gc: 'a,
    {
    }

    /// See [`DropProbe`].
    pub const fn __drop_probe<S: ?Sized>() -> DropProbe<S> {
        DropProbe(PhantomData)
    }
}
