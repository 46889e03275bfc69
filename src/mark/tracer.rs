//! The tracer: what `Trace::trace` reports to, on a marker thread or in a mutator's barrier.
//!
//! It collects *edges*, addresses of objects that were reached. Whether an object is marked already is not asked here
//! but when the edge is followed, some edges later, when the prefetched mark byte has arrived (see `marker`).

use core::marker::PhantomData;
use core::mem::needs_drop;

use crate::cell::claim::{Claim, ScanId, ScanWord};
use crate::config::mix;
use crate::sync::thread;
use crate::sync::twin::{self, Twin};
use crate::trace::Trace;

/// How cells are met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meet {
    /// Claim each cell. A busy one belongs to somebody who traces it (Deletion, Hybrid).
    Claim,
    /// Claim each cell. A busy one is being written: the object must be looked at again (Insertion).
    ClaimOrDefer,
    /// Claim each cell, and take a busy one as left behind by a leaked guard: the caller knows that nobody writes it.
    Force,
    /// Read without claims: the caller knows that nobody writes, and leaves the cell to the markers (grey mutators,
    /// the verifier).
    Look,
    /// Read without claims, of a value that nobody else has, to see what memory it owns (`cycle::owned`).
    Measure,
}

/// Elements of a container that are looked at to measure what all of them own.
const SOME: usize = 64;

/// Parts in parts that are looked at to measure what a value owns.
const DEEP: u32 = 128;

/// Collects the pointers that a value holds. Given to [`Trace::trace`](crate::Trace::trace).
pub struct Tracer<'gc> {
    /// Objects reached and not yet followed.
    pub(crate) edges: Vec<usize>,
    pub(crate) scan_id: ScanId,
    pub(crate) meet: Meet,
    /// A busy cell was met under [`Meet::ClaimOrDefer`].
    pub(crate) deferred: bool,
    /// Under [`Meet::Measure`]: bytes of memory that the values met own, besides their own.
    pub(crate) owned: usize,
    /// In how many parts of parts that is.
    depth: u32,
    /// In stress mode: yields after a claim, at most. Otherwise 0.
    delay: u32,
    /// Numbers the claims, in stress mode.
    claims: u64,
    brand: PhantomData<fn(&'gc ()) -> &'gc ()>,
}

impl core::fmt::Debug for Tracer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tracer")
            .field("edges", &self.edges.len())
            .finish_non_exhaustive()
    }
}

impl Tracer<'static> {
    pub(crate) const fn new() -> Self {
        Tracer {
            edges: Vec::new(),
            scan_id: ScanId::NONE,
            meet: Meet::Claim,
            deferred: false,
            owned: 0,
            depth: 0,
            delay: 0,
            claims: 0,
            brand: PhantomData,
        }
    }

    /// Makes claims last, up to so many yields.
    pub(crate) fn delay_claims(&mut self, yields: u32, seed: u64) {
        (self.delay, self.claims) = (yields, seed);
    }

    /// The tracer for values of another brand.
    #[inline(always)]
    pub(crate) fn rebrand<'gc>(&mut self) -> &mut Tracer<'gc> {
        let raw: *mut Tracer<'static> = self;
        // SAFETY: `raw` is `self`, borrowed for as long as the result. The types differ in the lifetime of a phantom: layout and
        // validity are the same. A tracer gives out no pointers that could bear the wrong brand (I9).
        unsafe { &mut *raw.cast::<Tracer<'gc>>() }
    }
}

impl<'gc> Tracer<'gc> {
    /// An object was reached.
    #[inline(always)]
    pub(crate) fn edge(&mut self, address: usize) {
        self.edges.push(address);
    }

    /// Calls the `trace` of a part of a value. To measure, one written by hand is not called, for it knows nothing of dead values, nor any in a
    /// part of a part that lies deep: lists are left to those who take them apart.
    #[inline(always)]
    pub(crate) fn visit<T: ?Sized + Trace<'gc>>(&mut self, part: &T) {
        // Known when this is compiled: a pointer on its way to be marked is not asked anything.
        let owns_nothing = !needs_drop::<T>() && T::__ANSWERS.measured;
        if owns_nothing || !self.measures() {
            part.trace(self);
        } else if T::__ANSWERS.measured && self.depth < DEEP {
            self.depth += 1;
            part.trace(self);
            self.depth -= 1;
        }
    }

    /// Whether `trace` is called to measure: values without pointers are to be looked at, too.
    #[inline(always)]
    pub(crate) fn measures(&self) -> bool {
        self.meet == Meet::Measure
    }

    /// A value owns so many bytes, of so many elements of type `T` that it has room for.
    #[inline(always)]
    pub(crate) fn owns<T>(&mut self, room: usize) {
        let bytes = room.saturating_mul(size_of::<T>());
        self.owned = self.owned.saturating_add(bytes);
    }

    /// Measures a container with room for so many elements of type `T`, of which there are `len`, by some of them; `visit` does one.
    #[cold]
    pub(crate) fn measure_elements<T, E>(
        &mut self,
        room: usize,
        elements: impl ExactSizeIterator<Item = E>,
        mut visit: impl FnMut(&mut Self, E),
    ) {
        self.owns::<T>(room);
        let len = elements.len();
        // Nothing else owns.
        if len == 0 || !needs_drop::<T>() || size_of::<T>() == 0 {
            return;
        }
        let before = core::mem::take(&mut self.owned);
        elements.take(SOME).for_each(|element| visit(self, element));
        let all = self.owned as u128 * len as u128 / len.min(SOME) as u128;
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        self.owned = before.saturating_add(all);
    }

    /// With a cell claimed, waits a random moment.
    #[cold]
    #[inline(never)]
    fn stress_delay(&mut self) {
        self.claims = self.claims.wrapping_add(1);
        let yields = mix(self.claims) % (u64::from(self.delay) + 1);
        (0..yields).for_each(|_| thread::yield_now());
    }

    /// Scans the contents of a cell through `trace`, unless somebody else does or has.
    pub(crate) fn cell(&mut self, word: &ScanWord, trace: impl FnOnce(&mut Self)) {
        if matches!(self.meet, Meet::Look | Meet::Measure) || twin::is(Twin::MarkerDoesNotClaim) {
            return trace(self);
        }
        match word.try_claim(self.scan_id) {
            Claim::Scanned => {}
            Claim::Busy if self.meet == Meet::Claim => {}
            Claim::Busy if self.meet == Meet::ClaimOrDefer => {
                self.deferred = !twin::is(Twin::BusyNotSetAside);
            }
            Claim::Claimed | Claim::Busy => {
                if self.delay != 0 {
                    self.stress_delay();
                }
                if twin::is(Twin::ScannedBeforeTrace) {
                    word.scanned(self.scan_id);
                }
                let before = core::mem::take(&mut self.deferred);
                let owned = Owned { word, tracer: self };
                trace(owned.tracer);
                core::mem::forget(owned);
                if self.deferred && !twin::is(Twin::OuterCellScanned) {
                    // A cell in the contents is busy. Whoever comes back for it must get past this one.
                    word.unscanned();
                } else {
                    word.scanned(self.scan_id);
                }
                self.deferred |= before;
            }
        }
    }
}

/// Gives the cell back if `trace` panics. Somebody may have skipped it meanwhile, so the cycle must not end.
struct Owned<'a, 'gc> {
    word: &'a ScanWord,
    tracer: &'a mut Tracer<'gc>,
}

impl Drop for Owned<'_, '_> {
    fn drop(&mut self) {
        if !twin::is(Twin::BusyAfterPanic) {
            self.word.unscanned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is for the object that both are in that the busy one is remembered.
    #[test]
    fn a_cell_beside_a_busy_one_does_not_hide_it() {
        let id = ScanId::of_cycle(1);
        let (busy, other) = (ScanWord::new(), ScanWord::new());
        assert!(busy.claim(id));
        let mut tracer = Tracer::new();
        (tracer.scan_id, tracer.meet) = (id, Meet::ClaimOrDefer);
        tracer.cell(&busy, |_| unreachable!("its writer has it"));
        tracer.cell(&other, |_| ());
        assert!(tracer.deferred && other.is_scanned(id));
    }
}
