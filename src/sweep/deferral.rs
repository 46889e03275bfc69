//! Whether destructors are left to the mutators.
//!
//! A destructor gives memory back to an allocator, and most of them take it best from the thread that has it from them: glibc's threads
//! otherwise wait for each other at the lock of an arena, and what one has freed is far from where the other allocates. (A tree of vectors that is
//! made anew again and again takes a quarter less time where its mutator sweeps.) A mutator sweeps what it allocates from. So as long
//! as mutators allocate, the background sweeper leaves the spans of classes whose destructors it has found to be *dear* to them, until the heap has
//! the size at which the last cycle was due. What is left then, because others are allocated now, everybody sweeps.

use std::time::{Duration, Instant};

/// When so much time passes without an allocation, nobody sweeps.
const IDLE: Duration = Duration::from_millis(1);

/// Destructors that take so long, each, are dear. One that finds nothing to free takes some nanoseconds.
const DEAR: Duration = Duration::from_nanos(30);

/// Objects among which their time is measured, at least: spans with destructors are swept one by one.
const SAMPLE: u32 = 16;

/// In every so manieth cycle nothing is left to mutators, to see whether it should be.
const MEASURED: u64 = 16;

/// Whether destructors are dear that took `time` for `dropped` objects, if one can tell.
pub(super) fn are_dear(dropped: u64, time: Duration) -> Option<bool> {
    let dropped = u32::try_from(dropped).ok()?;
    (dropped >= SAMPLE).then(|| time / dropped >= DEAR)
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
    fn destructors_are_dear_if_they_take_long() {
        let micros = Duration::from_micros;
        assert_eq!(are_dear(1000, micros(29)), Some(false));
        assert_eq!(are_dear(1000, micros(31)), Some(true));
        assert_eq!(are_dear(15, micros(31)), None, "too few to tell");
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
