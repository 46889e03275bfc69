//! How long the destructors of a class take.
//!
//! Measured by the background sweeper, for who it leaves them to (`sweep::deferral`), and for how many objects a mutator gets at once: it may
//! have to drop as many for them.

use std::time::Duration;

use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicUsize;

/// Destructors that take so long, each, are dear. One that finds nothing to free takes some nanoseconds.
const DEAR: usize = 30;

/// Objects among which their time is measured, at least: spans with destructors are swept one by one.
const SAMPLE: u64 = 16;

/// Nanoseconds that the last objects took, each; 0 where nobody knows. Relaxed: a hint.
pub(crate) struct DropTime(AtomicUsize);

impl DropTime {
    pub(crate) fn unknown() -> Self {
        DropTime(AtomicUsize::new(0))
    }

    /// `dropped` objects took `time`.
    pub(crate) fn note(&self, dropped: u64, time: Duration) {
        if dropped >= SAMPLE {
            let each = time.as_nanos() / u128::from(dropped);
            let each = usize::try_from(each).unwrap_or(usize::MAX);
            self.0.store(each, Ordering::Relaxed);
        }
    }

    /// Whether they take long.
    pub(crate) fn is_dear(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= DEAR
    }

    /// How many objects are dropped within `time`, at least one.
    pub(crate) fn objects_within(&self, time: Duration) -> usize {
        let each = self.0.load(Ordering::Relaxed).max(1);
        (time.as_nanos() as usize / each).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destructors_are_dear_if_they_take_long() {
        let (drops, micros) = (DropTime::unknown(), Duration::from_micros);
        assert!(!drops.is_dear());
        assert_eq!(drops.objects_within(micros(1)), 1000);
        drops.note(1000, micros(31));
        assert!(drops.is_dear());
        assert_eq!(drops.objects_within(micros(1)), 32);
        drops.note(15, micros(1));
        assert!(drops.is_dear(), "too few to tell");
        drops.note(1000, micros(29));
        assert!(!drops.is_dear());
        drops.note(16, Duration::MAX);
        assert_eq!(drops.objects_within(micros(1)), 1);
    }
}
