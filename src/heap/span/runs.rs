//! Runs of free slots: found by the free bits, taken, and given back.

use super::Span;
use super::poison;
use crate::heap::span::Epoch;
use crate::sync::witness::owned;

impl Span {
    /// Takes the next run of free slots, `most` of them, colours it `black` if that is given, and returns its bounds. `None` when the
    /// span is full.
    pub(crate) fn take_run(self, black: Option<Epoch>, most: usize) -> Option<(usize, usize)> {
        owned(self.0.addr().get());
        let d = self.get();
        let free = d.free.get();
        if free == 0 {
            return None;
        }
        let from = d.cursor.get() as usize;
        let run = self.short_run(from, most);
        let (start, end) = run.or_else(|| self.long_run(from, most))?;
        d.cursor.set(end as u32);
        d.free.set(free - (end - start) as u32);
        d.settled.set(false);
        let bounds = (self.slot(start), self.slot(end));
        if cfg!(feature = "verify") {
            // SAFETY: the run of free slots just found, in a span that is the caller's (I7).
            unsafe { poison::check_poison(bounds.0, bounds.1) };
        }
        if let Some(black) = black {
            self.blacken(bounds.0, bounds.1, black);
        }
        Some(bounds)
    }

    /// The first run of the 64 slots of which `from`, the first that may be free, is one, if it ends among them: most do where short runs are many.
    /// Clears its bits.
    #[inline]
    fn short_run(self, from: usize, most: usize) -> Option<(usize, usize)> {
        if from >= self.slots() {
            return None;
        }
        let cell = self.free_word(from / 64);
        let bits = cell.get();
        // The carry runs through the first run of ones, to the zero behind it; out of the word where there is none.
        let carried = bits.wrapping_add(bits & bits.wrapping_neg());
        if carried == 0 {
            return None;
        }
        let (first, end) = (bits.trailing_zeros(), carried.trailing_zeros());
        if (end - first) as usize > most {
            return None;
        }
        cell.set(bits & carried);
        let start = from / 64 * 64;
        Some((start + first as usize, start + end as usize))
    }

    /// The next run at or after `from`, `most` slots of it. Clears its bits.
    fn long_run(self, from: usize, most: usize) -> Option<(usize, usize)> {
        let start = self.next_free(from)?;
        Some((start, self.clear_run(start, most)))
    }

    /// The first free slot at or after `from`.
    fn next_free(self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut mask = u64::MAX << (from % 64);
        while word < self.words() {
            let bits = self.free_word(word).get() & mask;
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            (word, mask) = (word + 1, u64::MAX);
        }
        None
    }

    /// Clears the free bits of the run that starts at `start`, `most` of them; where it ends.
    fn clear_run(self, start: usize, most: usize) -> usize {
        let last = self.slots().min(start.saturating_add(most));
        let mut at = start;
        while at < last {
            let (word, bit) = (at / 64, at % 64);
            let cell = self.free_word(word);
            let ones = (cell.get() >> bit).trailing_ones() as usize;
            let ones = ones.min(last - at);
            if ones == 0 {
                break;
            }
            let run = if ones == 64 {
                u64::MAX
            } else {
                ((1 << ones) - 1) << bit
            };
            cell.set(cell.get() & !run);
            at += ones;
            if bit + ones < 64 {
                break;
            }
        }
        at
    }

    /// Gives back the unused rest `[from, to)` of the run taken last.
    pub(crate) fn give_back_run(self, from: usize, to: usize) {
        if from == to {
            return;
        }
        owned(self.0.addr().get());
        let d = self.get();
        self.colour(from, to, 0);
        let first = (from - self.base()) / self.slot_size();
        let end = (to - self.base()) / self.slot_size();
        for slot in first..end {
            let cell = self.free_word(slot / 64);
            cell.set(cell.get() | 1 << (slot % 64));
        }
        d.cursor.set(d.cursor.get().min(first as u32));
        d.free.set(d.free.get() + (end - first) as u32);
    }
}
