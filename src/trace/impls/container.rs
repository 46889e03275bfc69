//! Owners of values: sequences, tuples, `Option` and its like.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, LinkedList, VecDeque};
use std::num::{Saturating, Wrapping};
use std::ops::{Bound, ControlFlow, Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive};

use crate::trace::{Trace, Tracer};

// SAFETY: the box owns its content and nothing else; it is traced. Dropping the box drops the content and frees the
// memory with the global allocator, which any thread may do.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for Box<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        (**self).trace(tracer);
    }
}

// SAFETY: every element is traced; dropping the slice drops the elements.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for [T] {
    // What has no size holds no pointer; of such elements there may be more than anybody could visit.
    const NEEDS_TRACE: bool = T::NEEDS_TRACE && size_of::<T>() != 0;
    const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const CELLS_INLINE: bool = T::IMMUTABLE || T::CELLS_INLINE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if Self::NEEDS_TRACE {
            for element in self {
                element.trace(tracer);
            }
        }
    }
}

// SAFETY: every element is traced; dropping the array drops the elements.
unsafe impl<'gc, T: Trace<'gc>, const N: usize> Trace<'gc> for [T; N] {
    const NEEDS_TRACE: bool = <[T]>::NEEDS_TRACE && N != 0;
    const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const CELLS_INLINE: bool = T::IMMUTABLE || T::CELLS_INLINE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.as_slice().trace(tracer);
    }
}

/// Collections of one element type, with the global allocator.
macro_rules! sequence {
    ($($name:ident),*) => {$(
        // SAFETY: the collection owns its elements and nothing else, and `iter` visits each of them, reading only
        // plain memory. Dropping it drops the elements, without calling other methods of theirs, and frees memory with
        // the global allocator.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $name<T> {
            // As for slices.
            const NEEDS_TRACE: bool = T::NEEDS_TRACE && size_of::<T>() != 0;
            const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
            const DROP_IS_SEND: bool = T::DROP_IS_SEND;

            #[inline]
            fn trace(&self, tracer: &mut Tracer<'gc>) {
                if Self::NEEDS_TRACE {
                    for element in self.iter() {
                        element.trace(tracer);
                    }
                }
            }
        }
    )*};
}

sequence!(Vec, VecDeque, LinkedList, BinaryHeap, BTreeSet);

/// Types whose values hold at most a few `T`, borrowed by a match.
macro_rules! holder {
    ($($name:ident: $value:ident => $($pattern:pat => [$($field:expr),*]),+;)*) => {$(
        // SAFETY: the arms cover all values and trace every `T` in them; the type owns nothing else and has no drop
        // glue but theirs.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $name<T> {
            const NEEDS_TRACE: bool = T::NEEDS_TRACE;
            const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const CELLS_INLINE: bool = T::IMMUTABLE || T::CELLS_INLINE;
            const DROP_IS_SEND: bool = T::DROP_IS_SEND;

            #[inline]
            fn trace(&self, tracer: &mut Tracer<'gc>) {
                let $value = self;
                match $value {
                    $($pattern => {
                        $($field.trace(tracer);)*
                    })+
                }
            }
        }
    )*};
}

holder! {
    Option: value => Some(inner) => [inner], None => [];
    Bound: value => Bound::Included(inner) | Bound::Excluded(inner) => [inner], Bound::Unbounded => [];
    Reverse: value => Reverse(inner) => [inner];
    Wrapping: value => Wrapping(inner) => [inner];
    Saturating: value => Saturating(inner) => [inner];
    Range: value => Range { start, end } => [start, end];
    RangeFrom: value => RangeFrom { start } => [start];
    RangeTo: value => RangeTo { end } => [end];
    RangeToInclusive: value => RangeToInclusive { end } => [end];
    RangeInclusive: value => range => [range.start(), range.end()];
}

// SAFETY: the value of either variant is traced; there is nothing else to drop.
unsafe impl<'gc, T: Trace<'gc>, E: Trace<'gc>> Trace<'gc> for Result<T, E> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE || E::NEEDS_TRACE;
    const UNTIED: bool = T::UNTIED || E::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE && E::IMMUTABLE;
    const CELLS_INLINE: bool =
        (T::IMMUTABLE || T::CELLS_INLINE) && (E::IMMUTABLE || E::CELLS_INLINE);
    const DROP_IS_SEND: bool = T::DROP_IS_SEND && E::DROP_IS_SEND;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        match self {
            Ok(value) => value.trace(tracer),
            Err(error) => error.trace(tracer),
        }
    }
}

// SAFETY: the value of either variant is traced; there is nothing else to drop.
unsafe impl<'gc, B: Trace<'gc>, C: Trace<'gc>> Trace<'gc> for ControlFlow<B, C> {
    const NEEDS_TRACE: bool = B::NEEDS_TRACE || C::NEEDS_TRACE;
    const UNTIED: bool = B::UNTIED || C::UNTIED;
    const IMMUTABLE: bool = B::IMMUTABLE && C::IMMUTABLE;
    const CELLS_INLINE: bool =
        (B::IMMUTABLE || B::CELLS_INLINE) && (C::IMMUTABLE || C::CELLS_INLINE);
    const DROP_IS_SEND: bool = B::DROP_IS_SEND && C::DROP_IS_SEND;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        match self {
            ControlFlow::Break(value) => value.trace(tracer),
            ControlFlow::Continue(value) => value.trace(tracer),
        }
    }
}

macro_rules! tuple {
    ($($name:ident)+) => {
        // SAFETY: every component is traced; dropping the tuple drops the components.
        unsafe impl<'gc, $($name: Trace<'gc>),+> Trace<'gc> for ($($name,)+) {
            const NEEDS_TRACE: bool = $($name::NEEDS_TRACE)||+;
            const UNTIED: bool = $($name::UNTIED)||+;
            const IMMUTABLE: bool = $($name::IMMUTABLE)&&+;
            const CELLS_INLINE: bool = $(($name::IMMUTABLE || $name::CELLS_INLINE))&&+;
            const DROP_IS_SEND: bool = $($name::DROP_IS_SEND)&&+;

            #[inline]
            #[allow(non_snake_case)]
            fn trace(&self, tracer: &mut Tracer<'gc>) {
                let ($($name,)+) = self;
                $($name.trace(tracer);)+
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
tuple!(A B C D E F G);
tuple!(A B C D E F G H);
tuple!(A B C D E F G H I);
tuple!(A B C D E F G H I J);
tuple!(A B C D E F G H I J K);
tuple!(A B C D E F G H I J K L);
