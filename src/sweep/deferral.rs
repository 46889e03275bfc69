//! Whether destructors are left to the mutators.
//!
//! A destructor gives memory back to an allocator, and most of them take it best from the thread that has it from them: glibc's threads
//! otherwise wait for each other at the lock of an arena, and what one has freed is far from where the other allocates. (A tree of vectors that is
//! made anew again and again takes a quarter less time where its mutator sweeps.) A mutator sweeps what it allocates from. So as long
//! as mutators allocate, the background sweeper leaves the spans of classes whose destructors it has found to be *dear* to them, until the heap has
//! the size at which the last cycle was due. A mutator sweeps as much for what it allocates as to be done by then (Go's proportional sweep), also
//! where its spans have room enough. What is left then, everybody sweeps.

use std::time::{Duration, Instant};

use super::{LONGEST, TimeLimit};
use crate::cycle::core::Core;
use crate::cycle::mutator::MutatorState;
use crate::heap::class::Class;
use crate::sync::atomic::Ordering;

/// When so much time passes without an allocation, nobody sweeps.
const IDLE: Duration = Duration::from_millis(1);

/// In every so manieth cycle nothing is left to mutators, to see whether it should be.
const MEASURED: u64 = 16;

/// What a mutator spends on destructors where the next cycle is `late` bytes overdue: [`LONGEST`], and twice that for each so manieth of `trigger`
/// bytes, up to a bound. What it is charged for at once takes half of `LONGEST` to drop, or is one object, so the bound is many times what it owes.
fn longest(late: usize, trigger: usize) -> Duration {
    /// A 64th.
    const DOUBLES: usize = 64;
    const MOST: u32 = 5;
    let times = late as u128 * DOUBLES as u128 / trigger.max(1) as u128;
    LONGEST * (1 << times.min(u128::from(MOST)))
}

/// Spans of which classes are swept. The large ones are, in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// But for those whose destructors are dear.
    Cheap,
    /// Those only: a mutator's share.
    Dear,
}

impl Which {
    pub(super) fn has(self, class: &Class) -> bool {
        let dear = class.drop_time.is_dear();
        match self {
            Which::All => true,
            Which::Cheap => !dear,
            Which::Dear => dear,
        }
    }

    /// Whether the sweep's destructors tell how dear they are: not to the thread that has made what they free.
    pub(super) fn measures(self) -> bool {
        self != Which::Dear
    }
}

/// Bytes of a span, about, and what a mutator sweeps at most for one charge.
const SPAN: usize = 16 << 10;
const TOGETHER: usize = 8 * SPAN;

impl Core {
    /// What an allocation spends on destructors: more, the further the heap is past the size at which the next cycle is due, so that what is left
    /// to drop does not outrun who drops it; all that there is where nobody else does, or where memory is short.
    pub(crate) fn time_to_drop(&self) -> TimeLimit {
        if self.is_stepped() || self.is_half_full() {
            return TimeLimit::none();
        }
        let trigger = self.trigger.load(Ordering::Relaxed);
        let late = self.heap_now().saturating_sub(trigger);
        TimeLimit::of(longest(late, trigger))
    }

    /// A mutator has been charged for `bytes`, and for `owned` ones of their objects, while a cycle sweeps.
    ///
    /// The next cycle may be due, and the sweep not over: then a mutator that allocates sweeps twice as much, so that the background sweeper, which
    /// has destructors to run, is not left behind.
    pub(crate) fn assist_sweep(&self, state: &MutatorState, bytes: usize, owned: usize) {
        if self.config.marker_threads == 0 {
            return;
        }
        let trigger = self.trigger.load(Ordering::Relaxed);
        let (share, which) = match trigger.checked_sub(self.heap_now()) {
            None | Some(0) => {
                let bytes = bytes.saturating_add(owned.min(SPAN));
                (bytes.saturating_mul(2), Which::All)
            }
            Some(room) if self.leaves_drops.load(Ordering::Relaxed) => {
                let pending = self.counters.swept.pending.load(Ordering::Relaxed);
                let bytes = bytes.saturating_add(owned);
                let share = (pending * SPAN) as u128 * bytes as u128 / room as u128;
                (share as usize, Which::Dear)
            }
            Some(_) => return,
        };
        let owed = state.sweep_owed.get().saturating_add(share).min(TOGETHER);
        let now = owed / SPAN * SPAN;
        let mut left = owed - now;
        if now > 0 {
            let mut time = self.time_to_drop();
            // So many spans, which may be a little smaller than that.
            let _ = self.sweep_which(now - SPAN / 2, which, &mut time);
            if time.is_over() {
                left = owed;
            }
        }
        state.sweep_owed.set(left);
    }
}

/// The driver's part.
pub(crate) struct Deferral {
    /// The size of the heap up to which they are left.
    until: usize,
    /// Bytes allocated ever, at the last look, and when there were last more of them.
    allocated: u64,
    since: Instant,
}

impl Deferral {
    /// Nothing is swept yet.
    pub(crate) fn new() -> Self {
        Deferral {
            until: 0,
            allocated: 0,
            since: Instant::now(),
        }
    }

    /// The sweep of `cycle` begins, which was due at the size `until`; `allocated` bytes have been allocated ever.
    pub(crate) fn begin(&mut self, cycle: u64, until: usize, allocated: u64) {
        *self = Deferral {
            until: if cycle.is_multiple_of(MEASURED) {
                0
            } else {
                until
            },
            allocated,
            since: Instant::now(),
        };
    }

    /// A look at the heap: its size is `size`, and `allocated` bytes have been allocated ever. Whether mutators sweep for themselves.
    pub(crate) fn goes_on(&mut self, size: usize, allocated: u64) -> bool {
        if allocated > self.allocated {
            (self.allocated, self.since) = (allocated, Instant::now());
        }
        size < self.until && self.since.elapsed() < IDLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_late_takes_the_time_that_it_takes() {
        let times = |late| longest(late, 6400).as_micros() / LONGEST.as_micros();
        assert_eq!([0, 99, 100, 199, 200].map(times), [1, 1, 2, 2, 4]);
        assert_eq!([500, usize::MAX].map(times), [32, 32]);
        assert!(longest(1, 0) > LONGEST);
    }

    #[test]
    fn mutators_sweep_for_themselves_while_they_allocate() {
        let mut deferral = Deferral::new();
        assert!(!deferral.goes_on(1, 1), "no sweep has begun");
        deferral.begin(1, 100, 1);
        assert!(deferral.goes_on(50, 1), "they had no time yet");
        std::thread::sleep(2 * IDLE);
        assert!(!deferral.goes_on(50, 1), "nobody allocates");
        assert!(deferral.goes_on(99, 2));
        assert!(!deferral.goes_on(100, 3), "the next cycle is due");
        deferral.begin(MEASURED, 100, 3);
        assert!(!deferral.goes_on(50, 4), "nothing is left to them");
    }
}
