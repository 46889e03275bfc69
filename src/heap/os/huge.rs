//! Whether the next chunk is worth huge pages: only while the system has them at hand.
//!
//! A program that goes through a large heap at random is a tenth faster with huge pages, and one that the kernel has at hand is cleared
//! in a fifth of a millisecond, less than its small pages take. But a kernel may have to compact memory for it, and a hypervisor that has
//! taken back what its guest left free has to find two megabytes again: that takes several milliseconds of the thread that touches the page,
//! as much as the page saves a program that lives for a second. Small pages come from what processes have given back a moment ago.
//!
//! So the first access to a chunk says what a huge page has cost, whether a background thread makes it ready (`page_heap::ready`) or a mutator
//! has been too fast for that. After a dear one the next [`LEAST`] chunks that are made ready do without, then another is tried; if that
//! is dear, too, twice as many do without, up to [`MOST`]. Not more than [`IN_ALL`] chunks ever: a heap of more than that lives long enough to be worth what
//! its pages cost. Until one has been cheap a mutator does without for its own chunks, however many: it should not stand still for
//! milliseconds where a background thread can. Objects with a mapping of their own, and heaps without a background thread, count like chunks made ready.
//!
//! Measured with a pause of five seconds before each run, in which the hypervisor takes memory back (`benches/peers`, processor time, medians
//! of four; beside a build in which only background threads took the time, and mutators did as they): latency 1.71 s before, 0.93 with this, and
//! of its 100,000 waits forty to fifty-five longer than a millisecond before, by the thread's clock, none with this. Graph, tables, arrays
//! and GCBench take as long as before, or a tenth less. Run after run, where huge pages stay at hand, there was no difference.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Processor time from which on a huge page is dear.
const DEAR: Duration = Duration::from_millis(2);

/// Chunks that do without huge pages after the first dear one.
const LEAST: usize = 16;

/// Chunks that do without at most before one is tried again.
const MOST: usize = 128;

/// No huge page has been touched yet.
const UNKNOWN: usize = 1;

/// Chunks that ever do without.
const IN_ALL: usize = 512;

/// What is known: hints about the machine, for all heaps of the process (Relaxed). An answer that is late or lost makes a chunk slower, not
/// wrong; so they are no matter of a protocol, and under loom as they are.
pub(super) struct HugePages {
    /// Chunks to come that do without before one is tried again.
    without: AtomicUsize,
    /// How many the last dear one led to; 0 after a cheap one, [`UNKNOWN`] before the first.
    last: AtomicUsize,
    /// Chunks made ready that may still do without.
    left: AtomicUsize,
}

pub(super) static HUGE_PAGES: HugePages = HugePages::new();

impl HugePages {
    const fn new() -> HugePages {
        HugePages {
            without: AtomicUsize::new(0),
            last: AtomicUsize::new(UNKNOWN),
            left: AtomicUsize::new(IN_ALL),
        }
    }

    /// Whether what is made now should have huge pages, if whoever asks should try them now and then.
    pub(super) fn to_try(&self) -> bool {
        let one_less = |chunks: usize| chunks.checked_sub(1);
        let take = |chunks: &AtomicUsize| {
            chunks
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
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
        let tried = self.without.load(Ordering::Relaxed) == 0;
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
        let without = || (0..).take_while(|_| !pages.to_try()).count();
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
    }
}
