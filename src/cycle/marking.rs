//! Who marks: marker threads, mutators that assist, and the driver itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::core::{Core, Phase};
use super::mutator::MutatorState;
use crate::config::Barrier;
use crate::mark::marker::{Drained, Marker, Refill};
use crate::mark::tracer::Meet;
use crate::sync::atomic::Ordering;

/// Bytes that an assist marks at least: less would not pay for taking a block.
const MIN_ASSIST: u64 = 64 << 10;

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
        Marker::new(self.epoch_of_cycle(), self.scan_id(), meet)
    }

    fn meet(&self) -> Meet {
        match self.config.barrier {
            Barrier::Insertion => Meet::ClaimOrDefer,
            _ => Meet::Claim,
        }
    }

    /// Marks at most about `budget` bytes, with the marker in `slot`, which is active in the worklist exactly while
    /// it is there.
    pub(crate) fn mark_some(&self, slot: &mut Option<Marker>, budget: u64) -> Marking {
        let mut marker = slot.take().unwrap_or_else(|| self.new_marker(self.meet()));
        if !marker.active {
            match marker.refill(&self.worklist, false) {
                None => marker.active = true,
                Some(Refill::Wait) => return Marking::Wait,
                Some(Refill::Dry) => return Marking::Dry,
            }
        }
        // SAFETY: edges come from roots, shaded pointers and traced objects of this heap: live objects; the cycle is marking
        // with this epoch.
        let result =
            catch_unwind(AssertUnwindSafe(|| unsafe { marker.drain(budget, Some(&self.worklist)) }));
        let ended = match result {
            Ok(ended) => ended,
            Err(panic) => {
                self.abandon_cycle(Some(panic));
                marker.tracer.edges.clear();
                self.retire_marker(&mut marker);
                return Marking::Progress;
            }
        };
        if self.abandon.load(Ordering::Acquire) {
            self.retire_marker(&mut marker);
            return Marking::Progress;
        }
        if ended == Drained::Budget {
            *slot = Some(marker);
            return Marking::Progress;
        }
        let mut refilled = marker.refill(&self.worklist, true);
        if refilled.is_some() && !marker.deferred.is_empty() {
            // Those who write must be given time; the worklist keeps these objects for the end.
            self.defer(&mut marker);
            refilled = Some(Refill::Wait);
        }
        if refilled.is_some() {
            self.retire_marker(&mut marker);
        } else {
            *slot = Some(marker);
        }
        Marking::Progress
    }

    /// Takes a marker out of work: its edges go back to the worklist, its counts to the heap's.
    pub(crate) fn retire_marker(&self, marker: &mut Marker) {
        self.defer(marker);
        marker.give_up(&self.worklist);
        let c = &self.counters;
        c.objects_marked.fetch_add(marker.objects, Ordering::Relaxed);
        c.bytes_marked.fetch_add(marker.bytes, Ordering::Relaxed);
        c.credit.fetch_add(marker.bytes as i64, Ordering::Relaxed);
        (marker.objects, marker.bytes) = (0, 0);
        if core::mem::take(&mut marker.active) {
            self.worklist.retire();
        }
    }

    fn defer(&self, marker: &mut Marker) {
        if !marker.deferred.is_empty() {
            self.worklist.defer(&mut marker.deferred);
        }
    }

    /// Looks again at all objects that were set aside for a busy cell.
    pub(crate) fn retry_deferred(&self, marker: Option<&mut Marker>, meet: Meet) {
        let deferred = self.worklist.take_deferred();
        if let (Some(marker), false) = (marker, deferred.is_empty()) {
            // SAFETY: deferred objects are marked, live objects of this cycle; nobody is inside, as `Force` needs.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe {
                marker.retry_deferred(deferred, meet);
            }));
            if let Err(panic) = result {
                self.abandon_cycle(Some(panic));
                marker.tracer.edges.clear();
            }
            marker.give_up(&self.worklist);
        }
    }

    /// A mutator has allocated `bytes` while the cycle marks: it marks in proportion, or uses up what the markers have
    /// done beyond the allocations so far.
    pub(crate) fn assist(&self, state: &MutatorState, bytes: usize) {
        let ratio = self.assist_ratio.load(Ordering::Relaxed) as i64;
        let debt = state.debt.get() + bytes as i64 * ratio / 256;
        let credit = self.counters.credit.load(Ordering::Relaxed);
        if debt <= credit {
            self.counters.credit.fetch_sub(debt, Ordering::Relaxed);
            state.debt.set(0);
            return;
        }
        state.debt.set(debt);
        if debt < MIN_ASSIST as i64 || !self.worklist.has_work() {
            return;
        }
        let mut marker = None;
        let before = self.counters.bytes_marked.load(Ordering::Relaxed);
        let mut left = (debt as u64).min(16 * MIN_ASSIST);
        while left > 0 && self.mark_some(&mut marker, left) == Marking::Progress {
            let Some(at_work) = &marker else { break };
            left = left.saturating_sub(at_work.bytes);
        }
        let Some(mut marker) = marker else {
            state.debt.set(0);
            let done = self.counters.bytes_marked.load(Ordering::Relaxed).saturating_sub(before);
            self.counters.bytes_assisted.fetch_add(done, Ordering::Relaxed);
            return;
        };
        let done = marker.bytes;
        self.retire_marker(&mut marker);
        self.counters.credit.fetch_sub(done as i64, Ordering::Relaxed);
        self.counters.bytes_assisted.fetch_add(done, Ordering::Relaxed);
        state.debt.set(debt - (done as i64).min(debt));
    }

    /// At the start of a cycle.
    pub(crate) fn reset_mark_counters(&self) {
        let c = &self.counters;
        c.objects_marked.store(0, Ordering::Relaxed);
        c.bytes_marked.store(0, Ordering::Relaxed);
        c.bytes_assisted.store(0, Ordering::Relaxed);
    }

    /// What a marker thread that is not the driver does: marks while there is something to mark.
    pub(crate) fn help_marking(&self) {
        let mut marker = None;
        let mut backoff = crate::sync::Backoff::default();
        let mut idle = 0;
        self.worklist.set_hungry(true);
        while self.phase() == Phase::Marking && idle < IDLE_LOOKS {
            match self.mark_some(&mut marker, 1 << 20) {
                Marking::Progress => idle = 0,
                Marking::Dry => break,
                Marking::Wait => {
                    idle += 1;
                    backoff.wait();
                }
            }
        }
        self.worklist.set_hungry(false);
        if let Some(mut marker) = marker {
            self.retire_marker(&mut marker);
        }
    }
}
