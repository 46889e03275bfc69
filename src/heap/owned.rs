//! What the objects of a class own: memory of the global allocator that hangs on them, as a `Vec`'s elements do.
//!
//! It goes when they go, so it counts when the next cycle is due (`cycle::owned`). Nobody tells the heap of it: it is measured by samples, of new
//! objects when their mutator gets other spans, or each run of slots if they own much, and of dead ones before they are dropped. New ones are often
//! still empty, dead ones come late, and both are of the past: what counts is the larger of the two means. Those that live and have grown are not
//! seen.

use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicUsize;

/// Bytes that an object of a type that is measured is taken to own until some have been dropped: a small buffer.
const PRESUMED: usize = 64;

/// As many samples as that counts for.
const PRESUMED_SAMPLES: usize = 8;

/// Samples that are enough to go by.
const ENOUGH: usize = 8;

/// Samples of which the older ones count for half: a mean follows what a program does.
const MOST: usize = 128;

/// A sample counts for no more than this and so many times the mean: of one object among many small ones that is a table of a gigabyte, next to
/// nothing is known of the others.
const CLIP: usize = 32 << 10;
const CLIP_TIMES: usize = 8;

/// A running mean. Relaxed, and samples that are noted at once may be lost: an estimate.
struct Mean {
    bytes: AtomicUsize,
    samples: AtomicUsize,
}

impl Mean {
    fn new(mean: usize, samples: usize) -> Mean {
        Mean {
            bytes: AtomicUsize::new(mean * samples),
            samples: AtomicUsize::new(samples),
        }
    }

    fn note(&self, bytes: usize, samples: usize) {
        let most = self.get().saturating_mul(CLIP_TIMES).saturating_add(CLIP);
        let bytes = bytes.min(most.saturating_mul(samples));
        let mut sum = [(&self.bytes, bytes), (&self.samples, samples)]
            .map(|(all, new)| all.load(Ordering::Relaxed).saturating_add(new));
        if sum[1] >= MOST {
            sum = sum.map(|sum| sum / 2);
        }
        self.bytes.store(sum[0], Ordering::Relaxed);
        self.samples.store(sum[1], Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.bytes.load(Ordering::Relaxed) / self.samples.load(Ordering::Relaxed).max(1)
    }
}

/// See the module header.
pub(crate) struct Owned {
    new: Mean,
    dead: Mean,
}

impl Owned {
    pub(crate) fn new() -> Owned {
        Owned {
            new: Mean::new(0, 0),
            dead: Mean::new(PRESUMED, PRESUMED_SAMPLES),
        }
    }

    /// A new object owns `bytes`.
    pub(crate) fn note_new(&self, bytes: usize) {
        self.new.note(bytes, 1);
    }

    /// So many dead ones owned `bytes` together.
    pub(crate) fn note_dead(&self, bytes: usize, objects: usize) {
        if objects > 0 {
            self.dead.note(bytes, objects);
        }
    }

    /// Whether enough has been seen to go by.
    pub(crate) fn is_known(&self) -> bool {
        let samples = |mean: &Mean| mean.samples.load(Ordering::Relaxed);
        samples(&self.new) + samples(&self.dead) >= PRESUMED_SAMPLES + ENOUGH
    }

    /// Bytes that an object owns, on average.
    pub(crate) fn mean(&self) -> usize {
        self.new.get().max(self.dead.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_mean_counts() {
        let owned = Owned::new();
        assert!(!owned.is_known());
        assert_eq!(owned.mean(), PRESUMED, "nothing is known");
        (0..ENOUGH / 2).for_each(|_| owned.note_new(1000));
        assert!(!owned.is_known());
        (0..ENOUGH / 2).for_each(|_| owned.note_new(3000));
        assert!(owned.is_known());
        assert_eq!(owned.mean(), 2000, "prebuilt");
        owned.note_dead(0, 0);
        owned.note_dead(0, 1000);
        assert_eq!(owned.mean(), 2000);
        let grown = Owned::new();
        grown.note_new(0);
        grown.note_dead(PRESUMED_SAMPLES * 436, PRESUMED_SAMPLES);
        assert_eq!(grown.mean(), 250, "empty at first");
        let empty = Owned::new();
        empty.note_dead(0, PRESUMED * PRESUMED_SAMPLES);
        assert_eq!(empty.mean(), 0, "own nothing");
    }

    #[test]
    fn a_mean_follows_what_a_program_does() {
        let mean = Mean::new(0, 0);
        mean.note(100 * (MOST - 1), MOST - 1);
        mean.note(100, 1);
        assert_eq!(
            (mean.get(), mean.samples.load(Ordering::Relaxed)),
            (100, MOST / 2)
        );
        for _ in 0..4 * MOST {
            mean.note(500, 1);
        }
        assert!(mean.get() > 450, "{}", mean.get());
    }

    #[test]
    fn one_large_object_is_no_measure_for_others() {
        let mean = Mean::new(0, 0);
        mean.note(usize::MAX, 1);
        assert_eq!(mean.get(), CLIP);
        (0..MOST).for_each(|_| mean.note(16, 1));
        assert!(mean.get() < 600, "{}", mean.get());
        // If all are large that is known soon.
        (0..8).for_each(|_| mean.note(1 << 20, 1));
        assert!(mean.get() > 3_000, "{}", mean.get());
        (0..4 * MOST).for_each(|_| mean.note(1 << 20, 1));
        assert!(mean.get() > 900_000, "{}", mean.get());
    }
}
