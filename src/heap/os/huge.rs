//! Whether the next chunk is worth huge pages: only while the system has them at hand.
//!
//! A program that goes through a large heap at random is a tenth faster with huge pages, and one that the kernel has at hand is cleared
//! in a fifth of a millisecond, less than its small pages take. But a kernel may have to compact memory for it, and a hypervisor that has
//! taken back what its guest left free has to find two megabytes again: that takes several milliseconds of the thread that touches the page,
//! as much as the page saves a program that lives for a second. Small pages come from what processes have given back a moment ago.
//!
//! So the first access to a chunk says what a huge page has cost, whether a background thread makes it ready (`page_heap::ready`) or a mutator
//! has been too fast for that. After a dear one the next [`LEAST`] chunks do without, then another is tried; if that is dear, too,
//! twice as many do without, up to [`MOST`]. Chunks made ready count, objects with a mapping of their own, and those of heaps without
//! background threads, but no more than [`IN_ALL`] of them: a program that needs more lives long enough to be worth what its pages cost.
//! A mutator of any other heap tries nothing: it does without until the last huge page that was tried was cheap, for it should not stand
//! still for milliseconds where a background thread can.
//!
//! Measured with a pause of five seconds before each run, in which the hypervisor takes memory back (`benches/peers`, medians of four). Once only
//! background threads took the time, and mutators did as they: the latency workload took 1.77 s of processor time, 40 to 55 of its 100,000 waits
//! were longer than a millisecond by the thread's clock, and the longest of each run took 4.5 to 10.8. It takes 1.02 s like this, with a
//! longest wait of 0.2 to 5.1 ms: a page may be dear after one that was cheap. The waits at the 99.9th percentile are of small pages now, 56 to
//! 129 µs, where they were 37 to 50. Graph, tables, arrays and GCBench take as long as then or a tenth less. Run after run, where huge pages
//! stay at hand, there was no difference.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Processor time from which on a huge page is dear.
pub(super) const DEAR: Duration = Duration::from_millis(2);

/// Chunks that do without huge pages after the first dear one.
const LEAST: usize = 16;

/// Chunks that do without at most before one is tried again.
const MOST: usize = 128;

/// No huge page has been touched yet.
const UNKNOWN: usize = 1;

/// Time in which nobody clears two megabytes: somebody else has touched the page first, or it is not huge.
const TOO_SHORT: Duration = Duration::from_micros(20);

/// Chunks that count and ever do without.
const IN_ALL: usize = 512;

/// What is known: hints about the machine, for all heaps of the process (Relaxed). An answer that is late or lost makes a chunk slower, not
/// wrong; so they are no matter of a protocol, and under loom as they are.
pub(super) struct HugePages {
    /// Chunks to come that do without before one is tried again.
    without: AtomicUsize,
    /// How many the last dear one led to; 0 after a cheap one, [`UNKNOWN`] before the first.
    last: AtomicUsize,
    /// Chunks that count and may still do without.
    left: AtomicUsize,
}

pub(super) static HUGE_PAGES: HugePages = HugePages::new();

impl HugePages {
    pub(super) const fn new() -> HugePages {
        HugePages {
            without: AtomicUsize::new(0),
            last: AtomicUsize::new(UNKNOWN),
            left: AtomicUsize::new(IN_ALL),
        }
    }

    /// Whether `chunks` chunks that are made now should have huge pages, if whoever asks should try them now and then.
    pub(super) fn to_try(&self, chunks: usize) -> bool {
        let take = |from: &AtomicUsize| {
            let less = |left: usize| (left > 0).then(|| left.saturating_sub(chunks));
            from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
        };
        !(take(&self.without) && take(&self.left))
    }

    /// Whether they are known to be at hand: not while one is tried for the first time, or again.
    pub(super) fn at_hand(&self) -> bool {
        self.last.load(Ordering::Relaxed) == 0
    }

    /// One has taken `time` of a thread's to touch.
    pub(super) fn took(&self, time: Duration) {
        if time < TOO_SHORT {
            return;
        }
        let tried = [&self.without, &self.left]
            .iter()
            .any(|chunks| chunks.load(Ordering::Relaxed) == 0);
        let last = match (time >= DEAR, tried) {
            (true, true) => (2 * self.last.load(Ordering::Relaxed)).clamp(LEAST, MOST),
            // Others have found out, while this one was touched: the same again.
            (true, false) => self.last.load(Ordering::Relaxed),
            (false, true) => 0,
            (false, false) => return,
        };
        self.last.store(last, Ordering::Relaxed);
        self.without.store(last, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_dear_huge_page_chunks_do_without() {
        let pages = HugePages::new();
        let cheap = DEAR / 2;
        let without = || (0..).take_while(|_| !pages.to_try(1)).count();
        assert!(!pages.at_hand(), "nobody knows");
        assert_eq!(without(), 0);
        pages.took(cheap);
        assert!(pages.at_hand());
        assert_eq!(without(), 0);
        for chunks in [LEAST, 2 * LEAST] {
            pages.took(DEAR);
            assert!((0..IN_ALL).all(|_| !pages.at_hand()), "who only asks");
            pages.took(DEAR);
            pages.took(cheap);
            assert_eq!(without(), chunks, "others that were touched meanwhile");
            assert!(!pages.at_hand(), "before the next has been tried");
        }
        pages.took(cheap);
        assert_eq!(without(), 0);
        assert!(pages.at_hand());
        let (mut before, mut left) = (LEAST / 2, IN_ALL - 3 * LEAST);
        while left > 0 {
            before = (2 * before).min(MOST);
            pages.took(DEAR);
            assert_eq!(without(), before.min(left), "from the beginning");
            left -= before.min(left);
        }
        for _ in 0..1000 {
            pages.took(DEAR);
            assert_eq!(without(), 0, "whatever it costs");
            assert!(!pages.at_hand(), "but a mutator does not wait for that");
        }
        pages.took(cheap);
        assert!(pages.at_hand(), "at once");
    }

    #[test]
    fn who_was_too_late_to_touch_a_page_knows_nothing() {
        let pages = HugePages::new();
        pages.took(TOO_SHORT / 2);
        assert!(!pages.at_hand());
        pages.took(TOO_SHORT);
        assert!(pages.at_hand());
    }

    #[test]
    fn objects_count_by_their_chunks() {
        let pages = HugePages::new();
        pages.took(DEAR);
        assert!(!pages.to_try(LEAST / 2) && !pages.to_try(LEAST));
        assert!(pages.to_try(1));
        assert_eq!(
            pages.left.load(Ordering::Relaxed),
            IN_ALL - LEAST - LEAST / 2
        );
    }
}
