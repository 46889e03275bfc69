//! Owners of values: sequences, tuples, `Option` and its like.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, LinkedList, VecDeque};
use std::num::{Saturating, Wrapping};
use std::ops::{Bound, ControlFlow, Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive};

use crate::trace::{Trace, Tracer};

// SAFETY: T1, T2: traces the content, which is reached by the box alone and changes in its cells only. T3, T6: drops nothing else.
// T4: the global allocator takes memory back on any thread. T5, T8: brands and constants are the content's. T9: not `CELLS_INLINE`.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for Box<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if tracer.measures() {
            tracer.owns::<u8>(size_of_val::<T>(self));
        }
        tracer.visit(&**self);
    }
}

// SAFETY: T1: traces every element; those without a size hold no pointer. T2: they are reached by the slice alone. T3, T4, T6: drops nothing
// else. T5, T8: brands and constants are theirs. T9: they lie in the slice, with their cells, or have none.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for [T] {
    // What has no size holds no pointer; of such elements there may be more than anybody could visit.
    const NEEDS_TRACE: bool = T::NEEDS_TRACE && size_of::<T>() != 0;
    const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const CELLS_INLINE: bool = T::IMMUTABLE || T::CELLS_INLINE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if tracer.measures() {
            tracer.measure_elements::<T, _>(0, self.iter(), Tracer::visit);
        } else if Self::NEEDS_TRACE {
            for element in self {
                element.trace(tracer);
            }
        }
    }
}

// SAFETY: T1: traces every element, if there is one. T2: they are reached by the array alone. T3, T4, T6: drops nothing else. T5, T8: brands
// and constants are theirs. T9: they lie in the array, with their cells, or have none.
unsafe impl<'gc, T: Trace<'gc>, const N: usize> Trace<'gc> for [T; N] {
    const NEEDS_TRACE: bool = <[T]>::NEEDS_TRACE && N != 0;
    const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const CELLS_INLINE: bool = T::IMMUTABLE || T::CELLS_INLINE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.as_slice().trace(tracer);
    }
}

/// Collections of one element type, with the global allocator.
macro_rules! sequence {
    ($($name:ident: $room:ident),*) => {$(
        // SAFETY: T1: traces every element; those without a size hold no pointer. T2: they are reached by the collection alone, and `iter` reads
        // plain memory. T3, T6: its `Drop` calls nothing but theirs. T4: the global allocator takes memory back on any thread. T5, T8: brands
        // and constants are theirs. T9: not `CELLS_INLINE`.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $name<T> {
            // As for slices.
            const NEEDS_TRACE: bool = T::NEEDS_TRACE && size_of::<T>() != 0;
            const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
            const DROP_IS_SEND: bool = T::DROP_IS_SEND;
            const __CAREFUL: bool = true;

            #[inline]
            fn trace(&self, tracer: &mut Tracer<'gc>) {
                if tracer.measures() {
                    tracer.measure_elements::<T, _>(self.$room(), self.iter(), Tracer::visit);
                } else if Self::NEEDS_TRACE {
                    for element in self.iter() {
                        element.trace(tracer);
                    }
                }
            }
        }
    )*};
}

sequence!(Vec: capacity, VecDeque: capacity, LinkedList: len, BinaryHeap: capacity, BTreeSet: len);

/// Types whose values hold at most a few `T`, borrowed by a match.
macro_rules! holder {
    ($($name:ident: $value:ident => $($pattern:pat => [$($field:expr),*]),+;)*) => {$(
        // SAFETY: T1: the arms cover all values, and trace every `T` in them. T2: these are reached by the value alone. T3, T4, T6: drops nothing
        // else. T5, T8: brands and constants are `T`'s. T9: they lie in the value, with their cells, or have none.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $name<T> {
            const NEEDS_TRACE: bool = T::NEEDS_TRACE;
            const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const CELLS_INLINE: bool = T::IMMUTABLE || T::CELLS_INLINE;
            const DROP_IS_SEND: bool = T::DROP_IS_SEND;
            const __CAREFUL: bool = true;

            #[inline]
            fn trace(&self, tracer: &mut Tracer<'gc>) {
                let $value = self;
                match $value {
                    $($pattern => {
                        $(tracer.visit($field);)*
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

// SAFETY: T1: traces the value of either variant. T2: it is reached by the whole alone. T3, T4, T6: drops nothing else. T5: a brand that
// both have; if one is `UNTIED`, so is the whole. T8: both are. T9: both lie in the whole, with their cells, or have none.
unsafe impl<'gc, T: Trace<'gc>, E: Trace<'gc>> Trace<'gc> for Result<T, E> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE || E::NEEDS_TRACE;
    const UNTIED: bool = T::UNTIED || E::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE && E::IMMUTABLE;
    const CELLS_INLINE: bool =
        (T::IMMUTABLE || T::CELLS_INLINE) && (E::IMMUTABLE || E::CELLS_INLINE);
    const DROP_IS_SEND: bool = T::DROP_IS_SEND && E::DROP_IS_SEND;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        match self {
            Ok(value) => tracer.visit(value),
            Err(error) => tracer.visit(error),
        }
    }
}

// SAFETY: T1: traces the value of either variant. T2: it is reached by the whole alone. T3, T4, T6: drops nothing else. T5: a brand that
// both have; if one is `UNTIED`, so is the whole. T8: both are. T9: both lie in the whole, with their cells, or have none.
unsafe impl<'gc, B: Trace<'gc>, C: Trace<'gc>> Trace<'gc> for ControlFlow<B, C> {
    const NEEDS_TRACE: bool = B::NEEDS_TRACE || C::NEEDS_TRACE;
    const UNTIED: bool = B::UNTIED || C::UNTIED;
    const IMMUTABLE: bool = B::IMMUTABLE && C::IMMUTABLE;
    const CELLS_INLINE: bool =
        (B::IMMUTABLE || B::CELLS_INLINE) && (C::IMMUTABLE || C::CELLS_INLINE);
    const DROP_IS_SEND: bool = B::DROP_IS_SEND && C::DROP_IS_SEND;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        match self {
            ControlFlow::Break(value) => tracer.visit(value),
            ControlFlow::Continue(value) => tracer.visit(value),
        }
    }
}

macro_rules! tuple {
    ($($name:ident)+) => {
        // SAFETY: T1: traces every component. T2: they are reached by the tuple alone. T3, T4, T6: drops nothing else. T5: a brand that
        // all have; if one is `UNTIED`, so is the tuple. T8: all are. T9: they lie in the tuple, with their cells, or have none.
        unsafe impl<'gc, $($name: Trace<'gc>),+> Trace<'gc> for ($($name,)+) {
            const NEEDS_TRACE: bool = $($name::NEEDS_TRACE)||+;
            const UNTIED: bool = $($name::UNTIED)||+;
            const IMMUTABLE: bool = $($name::IMMUTABLE)&&+;
            const CELLS_INLINE: bool = $(($name::IMMUTABLE || $name::CELLS_INLINE))&&+;
            const DROP_IS_SEND: bool = $($name::DROP_IS_SEND)&&+;
            const __CAREFUL: bool = true;

            #[inline]
            #[allow(non_snake_case)]
            fn trace(&self, tracer: &mut Tracer<'gc>) {
                let ($($name,)+) = self;
                $(tracer.visit($name);)+
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
