//! Who marks: marker threads, mutators that assist, and the driver itself.

use super::command::Mode;
use super::core::{Core, Phase};
use super::driver::Driver;
use super::mutator::MutatorState;
use super::pacer::Assists;
use crate::barrier::cards::stamp_of;
use crate::mark::marker::{Done, Drained, Marker};
use crate::mark::tracer::Meet;
use crate::mark::worklist::Take;
use crate::panic::contain;
use crate::sync::atomic::Ordering;
use crate::sync::twin::{self, Twin};
use crate::user_code::UserCodeScope;

/// Bytes that one assist marks: enough to pay for taking a block, some microseconds of work.
const ASSIST: i64 = 16 << 10;
/// Looks at an empty worklist before an assist gives up.
const ASSIST_LOOKS: u32 = 64;

/// Looks at an empty worklist before a helping marker goes back to sleep.
const IDLE_LOOKS: u32 = 100;

/// What [`Core::mark_some`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Marking {
    /// Marked something; there may be more.
    Progress,
    /// Nothing to take, but others are at work.
    Wait,
    /// There is nothing anywhere. The marker has retired.
    Dry,
}

impl Core {
    /// A marker for the running cycle, with no work yet.
    pub(crate) fn new_marker(&self, meet: Meet) -> Marker {
        let mut marker = Marker::new(self.found_in_cycle(), self.scan_id(), meet);
        self.stress_claims(&mut marker);
        marker
    }

    /// A marker that has just taken its first block, or rest of a slice. Made after that: from then on it is active, so the cycle
    /// cannot end, and the worklist's lock has ordered the driver's stores of epoch and scan id before these loads. A
    /// marker made before it might carry the epoch of a cycle that is over, and take everything for marked.
    fn active_marker(&self, early: Option<Marker>) -> Marker {
        let mut marker = early.unwrap_or_else(|| self.new_marker(self.meet()));
        marker.active = true;
        marker
    }

    pub(super) fn meet(&self) -> Meet {
        match self.plan.mode {
            Mode::Insertion => Meet::ClaimOrDefer,
            _ => Meet::Claim,
        }
    }

    /// Marks at most about `budget` bytes, with the marker in `slot`, which is active in the worklist exactly while
    /// it is there.
    pub(crate) fn mark_some(&self, slot: &mut Option<Marker>, budget: u64) -> Marking {
        self.mark_counted(slot, budget).0
    }

    /// A marker with a block or a rest of the worklist, or why there is none.
    fn begin_to_mark(&self) -> Result<Marker, Marking> {
        self.stress_pause();
        let early = twin::is(Twin::MarkerBeforeBlock).then(|| self.new_marker(self.meet()));
        match self.worklist.take(false) {
            Take::Block(block) => {
                let mut marker = self.active_marker(early);
                let _none = marker.begin_block(block);
                Ok(marker)
            }
            Take::Rest(rest) => {
                let mut marker = self.active_marker(early);
                marker.rests.push(rest);
                Ok(marker)
            }
            Take::Wait => Err(Marking::Wait),
            Take::Dry => Err(Marking::Dry),
        }
    }

    fn mark_and_count(&self, slot: &mut Option<Marker>, budget: u64, done: &mut Done) -> Marking {
        let mut marker = match slot.take() {
            Some(marker) => {
                debug_assert!(marker.active && marker.found.epoch == self.epoch_of_cycle());
                marker
            }
            None => match self.begin_to_mark() {
                Ok(marker) => marker,
                Err(nothing) => return nothing,
            },
        };
        let _scope = UserCodeScope::new(self.id);
        // SAFETY: what the marker has came with it or from the worklist: it lives, and rests are as they should be (I5). The marker is
        // active, so the cycle has its marks, and marks until it retires (I5); so (I3) holds. `meet` neither forces nor only looks.
        let result = contain(|| unsafe { marker.drain(budget, Some(&self.worklist)) });
        let ended = match result {
            Ok(ended) => ended,
            Err(panic) => {
                let late = twin::is(Twin::AbandonsLate);
                if !late && !twin::is(Twin::PanicForgotten) {
                    self.abandon_cycle(Some(panic));
                }
                marker.forget();
                marker.active &= !twin::is(Twin::ActiveAfterPanic);
                self.retire_marker(marker);
                if late {
                    self.abandon_cycle(None);
                }
                return Marking::Progress;
            }
        };
        if self.abandon.load(Ordering::Relaxed) {
            marker.forget();
            self.retire_marker(marker);
            return Marking::Progress;
        }
        *done = marker.done();
        self.report(&mut marker);
        if ended == Drained::Budget {
            *slot = Some(marker);
            return Marking::Progress;
        }
        if marker.refill(&self.worklist) {
            *slot = Some(marker);
        } else {
            self.retire_marker(marker);
        }
        Marking::Progress
    }

    /// Takes a marker out of work: its edges go back to the worklist, its counts to the heap's. It is gone then: its epoch is
    /// that of a cycle which may end now.
    pub(crate) fn retire_marker(&self, mut marker: Marker) {
        if twin::is(Twin::RetiresFirst) && core::mem::take(&mut marker.active) {
            self.worklist.retire();
        }
        if !twin::is(Twin::DeferredForgotten) {
            self.defer(&mut marker);
        }
        if !twin::is(Twin::EdgesForgotten) {
            marker.give_up(&self.worklist);
        }
        self.report(&mut marker);
        if core::mem::take(&mut marker.active) {
            let empty = marker.is_empty() && marker.deferred.is_empty();
            debug_assert!(empty, "a marker that counts no more has work");
            self.worklist.retire();
        }
    }

    /// Adds the marker's counts to the heap's.
    fn report(&self, marker: &mut Marker) {
        let c = &self.counters;
        c.objects_marked
            .fetch_add(marker.objects, Ordering::Relaxed);
        c.bytes_marked.fetch_add(marker.bytes, Ordering::Relaxed);
        c.credit.fetch_add(marker.bytes as i64, Ordering::Relaxed);
        marker.counted();
        let stamp = stamp_of(self.number());
        for object in marker.written.drain(..) {
            if !twin::is(Twin::FreshNotStamped) {
                self.cards.stamp(object, stamp);
            }
        }
    }

    fn defer(&self, marker: &mut Marker) {
        if !marker.deferred.is_empty() {
            self.worklist.defer(&mut marker.deferred);
        }
    }

    /// Looks again at all objects that were set aside for a busy cell; what they reach goes to the worklist. Whether there were any.
    /// For the driver, while its cycle marks; with [`Meet::Force`] all mutators are held, and no marker is at work.
    pub(crate) fn retry_deferred(&self, meet: Meet) -> bool {
        let deferred = self.worklist.take_deferred();
        let any = !deferred.is_empty();
        if any {
            // SAFETY: what was set aside lives, is marked, and rests are as they should be (I5). The marker is new, for this cycle, which
            // its driver, who calls this, does not end meanwhile; so (I3) holds. `Force` and `ClaimOrDefer` are as said above.
            self.look_again(meet, |marker| unsafe { marker.retry_deferred(deferred) });
        }
        any
    }

    /// Scans objects that an older cycle has marked; what they reach goes to the worklist. How many edges that were,
    /// and how much work. For the driver, while its cycle, a minor one, marks.
    pub(super) fn scan_again(&self, objects: Vec<usize>) -> (usize, u64) {
        // SAFETY: an older cycle has found the objects, and no full one has marked since: they live (I1), and have its mark, which this one
        // keeps. The marker is new, for this cycle, which its driver does not end meanwhile; so (I3) holds. `meet` forces nothing.
        self.look_again(self.meet(), |marker| unsafe { marker.scan_again(objects) })
    }

    fn look_again(&self, meet: Meet, look: impl FnOnce(&mut Marker)) -> (usize, u64) {
        let mut marker = self.new_marker(meet);
        let _scope = UserCodeScope::new(self.id);
        if let Err(panic) = contain(|| look(&mut marker)) {
            self.abandon_cycle(Some(panic));
            marker.forget();
        }
        let looked = (marker.edges(), marker.done().work);
        self.retire_marker(marker);
        looked
    }

    /// Marking begins: when, and how much, mutators will have to help.
    pub(super) fn expect_assists(&self, d: &Driver) {
        let heap = self.heap_now();
        let assists = Assists::new(self.bytes_to_mark(d), heap, d.cycle.goal);
        let outrun = heap
            .saturating_add(heap / 4)
            .max(d.cycle.goal.saturating_mul(2));
        self.outrun_from.store(outrun, Ordering::Relaxed);
        self.assist_from.store(assists.from, Ordering::Relaxed);
        self.assist_ratio.store(assists.ratio, Ordering::Relaxed);
        self.counters.credit.store(0, Ordering::Relaxed);
    }

    /// A mutator has allocated `bytes` while the cycle marks. If the heap has come so far, it uses up what the markers have done beyond
    /// the allocations so far, or marks in proportion, in pieces small enough not to be noticed.
    pub(crate) fn assist(&self, state: &MutatorState, bytes: usize) {
        if self.heap_now() < self.assist_from.load(Ordering::Relaxed) {
            return;
        }
        let ratio = self.assist_ratio.load(Ordering::Relaxed) as i64;
        let debt = (bytes as i64).saturating_mul(ratio) / 256;
        let debt = state.debt.get().saturating_add(debt);
        let credit = self.counters.credit.load(Ordering::Relaxed);
        if debt <= credit {
            self.counters.credit.fetch_sub(debt, Ordering::Relaxed);
            state.debt.set(0);
            return;
        }
        if debt < ASSIST {
            state.debt.set(debt);
            return;
        }
        let done = self.mark_for(ASSIST as u64);
        self.counters
            .bytes_assisted
            .fetch_add(done.bytes, Ordering::Relaxed);
        // Counted as the markers' by `report`.
        self.counters
            .credit
            .fetch_sub(done.bytes as i64, Ordering::Relaxed);
        let done = done.work as i64;
        // What could not be done now is owed, up to a bound: there may be nothing to do for a long time.
        state.debt.set((debt - done).clamp(0, 64 * ASSIST));
    }

    /// Marks a little for a mutator at its boundary whose heap is past the goal; what was marked.
    pub(crate) fn assist_at_boundary(&self) -> u64 {
        let done = self.mark_for(4 * ASSIST as u64);
        self.counters
            .bytes_assisted
            .fetch_add(done.bytes, Ordering::Relaxed);
        done.work
    }

    /// Whether marking helps: in a cycle that is abandoned it would not, and keep the driver waiting.
    fn is_marking(&self) -> bool {
        self.phase() == Phase::Marking && !self.abandon.load(Ordering::Relaxed)
    }

    /// Marks about `budget` bytes on a mutator; what was marked. Waits a moment for markers to share.
    fn mark_for(&self, budget: u64) -> Done {
        let mut marker = None;
        let mut done = Done::default();
        let mut looks = 0;
        let looks_for_work = self.worklist.look_for_work();
        while done.work < budget && looks < ASSIST_LOOKS && self.is_marking() {
            let (outcome, now) = self.mark_counted(&mut marker, budget - done.work);
            done.work += now.work;
            done.bytes += now.bytes;
            match outcome {
                Marking::Progress => {}
                Marking::Dry => break,
                Marking::Wait => {
                    looks += 1;
                    core::hint::spin_loop();
                }
            }
        }
        drop(looks_for_work);
        if let Some(marker) = marker {
            self.retire_marker(marker);
        }
        done
    }

    /// As [`mark_some`](Self::mark_some), with what it marked.
    pub(crate) fn mark_counted(&self, slot: &mut Option<Marker>, budget: u64) -> (Marking, Done) {
        let mut done = Done::default();
        let outcome = self.mark_and_count(slot, budget, &mut done);
        (outcome, done)
    }

    /// At the start of a cycle.
    pub(crate) fn reset_mark_counters(&self) {
        let c = &self.counters;
        c.objects_marked.store(0, Ordering::Relaxed);
        c.bytes_marked.store(0, Ordering::Relaxed);
        c.bytes_assisted.store(0, Ordering::Relaxed);
    }

    /// What a marker thread that is not the driver does: marks while there is something to mark and `goes_on` says so, which is
    /// asked now and then. Whether there is more.
    pub(crate) fn help_marking(&self, goes_on: impl Fn() -> bool) -> bool {
        let mut marker = None;
        let mut backoff = crate::sync::Backoff::default();
        let mut idle = 0;
        let mut more = false;
        let looks_for_work = self.worklist.look_for_work();
        while self.is_marking() && idle < IDLE_LOOKS && !more {
            match self.mark_some(&mut marker, self.slice()) {
                Marking::Progress => (idle, more) = (0, !goes_on()),
                Marking::Dry => break,
                Marking::Wait => {
                    idle += 1;
                    backoff.wait();
                }
            }
        }
        drop(looks_for_work);
        if let Some(marker) = marker {
            self.retire_marker(marker);
        }
        more
    }
}

#[cfg(test)]
mod tests;
