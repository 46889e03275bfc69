//! The contents of a cell with their scan word: what the cells with claims are built on.

use core::cell::UnsafeCell;

use super::claim::ScanWord;
use crate::barrier::AtEnd;
use crate::mark::tracer::Tracer;
use crate::mutator::Mutation;
use crate::trace::Trace;

/// Contents that markers read under a claim and mutators write between [`begin`](Guarded::begin) and
/// [`end`](Guarded::end).
///
/// `CONFINED` cells stay on one thread (they are not `Sync`). In Grey mode they need no barrier while nobody is Black, see `barrier`.
pub(crate) struct Guarded<const CONFINED: bool, T: ?Sized> {
    scan: ScanWord,
    value: UnsafeCell<T>,
}

impl<const CONFINED: bool, T> Guarded<CONFINED, T> {
    pub(crate) const fn new(value: T) -> Self {
        Guarded {
            scan: ScanWord::new(),
            value: UnsafeCell::new(value),
        }
    }

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<const CONFINED: bool, T: ?Sized> Guarded<CONFINED, T> {
    /// The contents.
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        self.value.get()
    }

    /// The contents of a cell that nobody else has. It may have been scanned in this cycle and been taken out of the heap since;
    /// what is written now must be seen when it goes back.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.scan.reset();
        self.value.get_mut()
    }
}

impl<'gc, const CONFINED: bool, T: ?Sized + Trace<'gc>> Guarded<CONFINED, T> {
    /// A write access begins. The caller is the only one to access the contents, markers apart, until [`end`](Self::end).
    #[inline(always)]
    pub(crate) fn begin(&self, mc: &Mutation<'gc>) -> AtEnd {
        // The brand keeps other heaps' contexts out, if the contents have one.
        const {
            assert!(
                !T::UNTIED,
                "a cell of traced contents that belong to no heap: give the recursive type a `'gc` lifetime parameter, the unsized one a `Gc` around it"
            );
        }
        if !T::NEEDS_TRACE {
            return AtEnd::Nothing;
        }
        if !mc.state().write_begins((&raw const self.scan).addr()) {
            return AtEnd::Nothing;
        }
        // Black and scanned already is the case that must be fast while marking.
        if mc.state().needs_nothing::<CONFINED>(&self.scan) {
            return AtEnd::Nothing;
        }
        mc.state()
            .cell_write_begins(&self.scan, |tracer| self.trace_contents(tracer))
    }

    /// The write access ends.
    #[inline(always)]
    pub(crate) fn end(&self, mc: &Mutation<'gc>, at_end: AtEnd) {
        if at_end != AtEnd::Nothing {
            mc.state()
                .cell_write_ends(&self.scan, at_end, |tracer| self.trace_contents(tracer));
        }
    }

    /// Traces the contents in a barrier.
    fn trace_contents(&self, tracer: &mut Tracer<'static>) {
        // SAFETY: the pointer is `self`'s. Nobody writes meanwhile: the caller of `begin` and `end` is the only one to access the contents,
        // and writes them after the one and before the other; markers make no more than a `&` of them (I3), in `trace` below.
        unsafe { &*self.value.get() }.trace(tracer.rebrand());
    }

    /// The cell is reached by a tracer: scans the contents under a claim.
    pub(crate) fn trace(&self, tracer: &mut Tracer<'gc>) {
        if T::NEEDS_TRACE || tracer.measures() {
            tracer.cell(&self.scan, |tracer| {
                // SAFETY: the pointer is `self`'s. Nobody writes meanwhile: the tracer has claimed the cell, or is one of those who know
                // that nobody does (I3).
                tracer.visit(unsafe { &*self.value.get() });
            });
        }
    }
}
