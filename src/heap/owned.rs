//! What the objects of a class own: memory of the global allocator that hangs on them, as a `Vec`'s elements do.
//!
//! It goes when they go, so it counts when the next cycle is due (`cycle::owned`). Nobody tells the heap of it: it is measured by samples, of new
//! objects when their mutator gets another span, and of dead ones before they are dropped. New ones are often still empty, dead ones
//! come late, and both are of the past: what counts is the larger of the two means.

use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicUsize;

/// Bytes that an object of a type with a destructor is taken to own until some have been dropped: a small buffer.
const PRESUMED: usize = 64;

/// As many samples as that counts for.
const PRESUMED_SAMPLES: usize = 8;

/// Samples of which the older half counts for half: a mean follows what a program does.
const MOST: usize = 4096;

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
        assert_eq!(owned.mean(), PRESUMED, "nothing is known");
        owned.note_new(1000);
        owned.note_new(3000);
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
        mean.note(100 * MOST, MOST - 1);
        mean.note(100, 1);
        assert_eq!(
            (mean.get(), mean.samples.load(Ordering::Relaxed)),
            (100, MOST / 2)
        );
        for _ in 0..4 * MOST {
            mean.note(500, 1);
        }
        assert!(mean.get() > 450, "{}", mean.get());
        mean.note(usize::MAX, 1);
        assert!(mean.get() > 500, "no overflow");
    }
}
