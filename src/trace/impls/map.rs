//! Maps and hash sets.
//!
//! A hasher is neither traced nor asked to be `Trace`, so it must be `'static`: otherwise it could carry a `Gc` past
//! the marker.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::needs_drop;

use crate::trace::{Trace, Tracer};

fn visit_both<'gc, K: Trace<'gc>, V: Trace<'gc>>(tracer: &mut Tracer<'gc>, (key, value): (&K, &V)) {
    tracer.visit(key);
    tracer.visit(value);
}

// SAFETY: T1: traces all keys and values; the hasher is `'static`, so it holds no `Gc` (T10). T2: they are reached by the map alone, and
// iterating reads plain memory, not the hasher. T3, T6: drops the three, and calls neither `Hash` nor `Eq`. T4: if each may be dropped anywhere.
// T5: a brand that keys and values have; if one is `UNTIED`, so is the map. T8: both are. T9: not `CELLS_INLINE`.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>, S: 'static> Trace<'gc> for HashMap<K, V, S> {
    const NEEDS_TRACE: bool = K::NEEDS_TRACE || V::NEEDS_TRACE;
    const UNTIED: bool = K::UNTIED || V::UNTIED;
    const IMMUTABLE: bool = K::IMMUTABLE && V::IMMUTABLE;
    const DROP_IS_SEND: bool = K::DROP_IS_SEND && V::DROP_IS_SEND && !needs_drop::<S>();
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if tracer.measures() {
            tracer.measure_elements::<(K, V), _>(self.capacity(), self.iter(), visit_both);
        } else if Self::NEEDS_TRACE {
            for (key, value) in self {
                key.trace(tracer);
                value.trace(tracer);
            }
        }
    }
}

// SAFETY: T1: traces all elements; the hasher is `'static`, so it holds no `Gc` (T10). T2: they are reached by the set alone, and iterating reads
// plain memory, not the hasher. T3, T6: drops both, and calls neither `Hash` nor `Eq`. T4: if both may be dropped anywhere. T5, T8: brands and
// constants are theirs. T9: not `CELLS_INLINE`.
unsafe impl<'gc, T: Trace<'gc>, S: 'static> Trace<'gc> for HashSet<T, S> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    const UNTIED: bool = T::UNTIED;
    const IMMUTABLE: bool = T::IMMUTABLE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND && !needs_drop::<S>();
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if tracer.measures() {
            tracer.measure_elements::<T, _>(self.capacity(), self.iter(), Tracer::visit);
        } else if T::NEEDS_TRACE {
            for element in self {
                element.trace(tracer);
            }
        }
    }
}

// SAFETY: T1: traces all keys and values. T2: they are reached by the map alone, and iterating reads plain memory. T3, T6: drops both, and
// does not call `Ord`. T4: if both may be dropped anywhere. T5: a brand that both have; if one is `UNTIED`, so is the map. T8: both are.
// T9: not `CELLS_INLINE`.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>> Trace<'gc> for BTreeMap<K, V> {
    const NEEDS_TRACE: bool = K::NEEDS_TRACE || V::NEEDS_TRACE;
    const UNTIED: bool = K::UNTIED || V::UNTIED;
    const IMMUTABLE: bool = K::IMMUTABLE && V::IMMUTABLE;
    const DROP_IS_SEND: bool = K::DROP_IS_SEND && V::DROP_IS_SEND;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if tracer.measures() {
            tracer.measure_elements::<(K, V), _>(self.len(), self.iter(), visit_both);
        } else if Self::NEEDS_TRACE {
            for (key, value) in self {
                key.trace(tracer);
                value.trace(tracer);
            }
        }
    }
}
