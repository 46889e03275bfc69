//! Maps and hash sets.
//!
//! A hasher is neither traced nor asked to be `Trace`, so it must be `'static`: otherwise it could carry a `Gc` past
//! the marker.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::needs_drop;

use crate::trace::{Trace, Tracer};

// SAFETY: all keys and values are traced; the hasher is `'static`, so it holds no `Gc`, and iterating does not use
// it. Dropping the map drops keys, values and the hasher, and calls neither `Hash` nor `Eq`.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>, S: 'static> Trace<'gc> for HashMap<K, V, S> {
    const NEEDS_TRACE: bool = K::NEEDS_TRACE || V::NEEDS_TRACE;
    const UNTIED: bool = K::UNTIED || V::UNTIED;
    const IMMUTABLE: bool = K::IMMUTABLE && V::IMMUTABLE;
    const DROP_IS_SEND: bool = K::DROP_IS_SEND && V::DROP_IS_SEND && !needs_drop::<S>();

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if Self::NEEDS_TRACE {
            for (key, value) in self {
                key.trace(tracer);
                value.trace(tracer);
            }
        }
    }
}

// SAFETY: as for `HashMap`.
unsafe impl<'gc, T: Trace<'gc>, S: 'static> Trace<'gc> for HashSet<T, S> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND && !needs_drop::<S>();

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if T::NEEDS_TRACE {
            for element in self {
                element.trace(tracer);
            }
        }
    }
}

// SAFETY: all keys and values are traced. Dropping the map drops them, and does not call `Ord`.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>> Trace<'gc> for BTreeMap<K, V> {
    const NEEDS_TRACE: bool = K::NEEDS_TRACE || V::NEEDS_TRACE;
    const UNTIED: bool = K::UNTIED || V::UNTIED;
    const IMMUTABLE: bool = K::IMMUTABLE && V::IMMUTABLE;
    const DROP_IS_SEND: bool = K::DROP_IS_SEND && V::DROP_IS_SEND;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if Self::NEEDS_TRACE {
            for (key, value) in self {
                key.trace(tracer);
                value.trace(tracer);
            }
        }
    }
}
