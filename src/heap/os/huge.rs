//! Whether the next chunk is worth huge pages: only while the system has them at hand.
//!
//! A program that goes through a large heap at random is a tenth faster with huge pages, and one that the kernel has at hand is cleared
//! in a fifth of a millisecond, less than its small pages take. But a kernel may have to compact memory for it, and a hypervisor that has
//! taken back what its guest left free has to find two megabytes again: that takes several milliseconds of the thread that touches the page,
//! as much as the page saves a program that lives for a second. Small pages come from what processes have given back a moment ago.
//!
//! So who touches chunks ahead (`page_heap::ready`) says what a huge page has cost. After a dear one the next [`LEAST`] chunks of the process
//! do without, then another is tried; if that is dear, too, twice as many do without. Not more than [`IN_ALL`] chunks ever: a heap of more
//! than that lives long enough to be worth what its pages cost.
//!
//! Measured with a pause of four to six seconds before each run, in which the hypervisor takes memory back (`benches/peers`, processor time,
//! medians of four; a form of this that took the thread's time, and a millisecond): graph 1.32 s with huge pages, 1.12 with this, arrays
//! 1.33 and 1.12, GCBench 0.56 and 0.51. Run after run, where huge pages stay at hand, there was no difference.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Time from which on a huge page is dear: by the clock on the wall, so a thread that loses the processor meanwhile may find it so, too.
const DEAR: Duration = Duration::from_millis(2);

/// Chunks that do without huge pages after the first dear one.
const LEAST: usize = 16;

/// Chunks that ever do without.
const IN_ALL: usize = 96;

/// What is known: hints about the machine, for all heaps of the process (Relaxed). An answer that is late or lost makes a chunk slower, not
/// wrong; so they are no matter of a protocol, and under loom as they are.
pub(super) struct HugePages {
    /// Chunks to come that do without.
    without: AtomicUsize,
    /// How many the last dear one led to; 0 after a cheap one.
    last: AtomicUsize,
    /// Chunks that may still do without.
    left: AtomicUsize,
}

pub(super) static HUGE_PAGES: HugePages = HugePages::new();

impl HugePages {
    const fn new() -> HugePages {
        HugePages {
            without: AtomicUsize::new(0),
            last: AtomicUsize::new(0),
            left: AtomicUsize::new(IN_ALL),
        }
    }

    /// Whether a chunk that is made now should have huge pages.
    pub(super) fn for_next_chunk(&self) -> bool {
        let one_less = |chunks: usize| chunks.checked_sub(1);
        let take = |chunks: &AtomicUsize| {
            chunks
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_ok()
        };
        !(take(&self.without) && take(&self.left))
    }

    /// Whether they are at hand, as far as anybody knows.
    pub(super) fn at_hand(&self) -> bool {
        self.without.load(Ordering::Relaxed) == 0 || self.left.load(Ordering::Relaxed) == 0
    }

    /// One has taken `time` to touch.
    pub(super) fn took(&self, time: Duration) {
        let without = if time < DEAR {
            0
        } else {
            (2 * self.last.load(Ordering::Relaxed)).clamp(LEAST, IN_ALL)
        };
        self.last.store(without, Ordering::Relaxed);
        self.without.store(without, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_dear_huge_page_chunks_do_without() {
        let pages = HugePages::new();
        let cheap = DEAR / 2;
        let without = || (0..).take_while(|_| !pages.for_next_chunk()).count();
        assert!(pages.at_hand());
        assert_eq!(without(), 0);
        pages.took(cheap);
        assert_eq!(without(), 0);
        for chunks in [LEAST, 2 * LEAST] {
            pages.took(DEAR);
            assert!(!pages.at_hand());
            assert_eq!(without(), chunks);
            assert!(pages.at_hand(), "until the next is tried");
        }
        pages.took(cheap);
        assert_eq!(without(), 0);
        pages.took(DEAR);
        assert_eq!(without(), LEAST, "from the beginning");
        pages.took(DEAR);
        assert_eq!(without(), IN_ALL - 4 * LEAST, "no more than that");
        for _ in 0..1000 {
            pages.took(DEAR);
            assert!(pages.at_hand(), "whatever it costs");
            assert_eq!(without(), 0);
        }
    }
}
