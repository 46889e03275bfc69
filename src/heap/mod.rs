//! The heap: pages, spans, classes, caches. Knows nothing of cycles and barriers.
//!
//! An allocation goes down until somebody has memory, each level taking a larger piece with a rarer lock:
//!
//! 1. the mutator's [`cache`]: bump a pointer inside the current free run of its span (no lock, no atomic);
//! 2. the next run of that span, from its free bits;
//! 3. some spans of the [`class`] with free slots (a short lock), swept first if the last cycle has not done so;
//! 4. pages for new spans from the [`page_heap`] (a lock);
//! 5. a chunk from the operating system ([`os`]).

pub(crate) mod cache;
pub(crate) mod class;
pub(crate) mod drop_time;
pub(crate) mod layout;
pub(crate) mod os;
pub(crate) mod owned;
pub(crate) mod page_heap;
pub(crate) mod prefetch;
pub(crate) mod size_class;
pub(crate) mod span;
pub(crate) mod type_info;
mod vector;

use self::cache::MAX_BATCH;
use self::class::{Class, ClassKey, Classes};
use self::layout::{DATA_PAGES, PAGE};
use self::page_heap::{PageHeap, PageHeapConfig, PageRun, ReadyChunk};
use self::span::{Epoch, Span, SpanInit};
use self::type_info::TypeInfo;
use crate::sync::atomic::Ordering;
use crate::sync::plain::{AtomicBool, AtomicUsize};
use crate::sync::{Arc, Mutex, Rank};

/// Objects that have a span of their own.
#[derive(Default)]
pub(crate) struct LargeSpans {
    /// Swept, or allocated since.
    pub(crate) swept: Vec<Span>,
    /// To be swept.
    pub(crate) unswept: Vec<Span>,
}

/// All memory of one heap.
pub(crate) struct Space {
    pages: Mutex<PageHeap>,
    /// Every class.
    pub(crate) classes: Mutex<Classes>,
    /// Spans of large objects.
    pub(crate) large: Mutex<LargeSpans>,
    /// Bytes of pages that belong to spans. Written under the lock of `pages`; read for limits and statistics, where
    /// a value a moment old is as good (Relaxed).
    in_use: AtomicUsize,
    /// A chunk should be made ready. Written under the lock of `pages`, taken by whoever calls for a background thread. A hint (Relaxed).
    runs_low: AtomicBool,
    /// Hard limit on `in_use` plus what the embedder reports (`usize::MAX`: none).
    max_bytes: usize,
    /// Slots of a small span at most.
    max_slots: usize,
}

/// Why there are no pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPages {
    /// The hard limit of the heap.
    Limit,
    /// The operating system.
    System,
}

impl Space {
    /// Of at most `max_bytes`, whose small spans have at most `max_slots`; `made_ready` says whether a background thread makes chunks ready.
    pub(crate) fn new(max_bytes: usize, max_slots: usize, made_ready: bool) -> Self {
        let config = PageHeapConfig {
            made_ready,
            ..PageHeapConfig::default()
        };
        Space {
            pages: Mutex::ranked(Rank::Pages, PageHeap::new(config)),
            classes: Mutex::ranked(Rank::Classes, Classes::default()),
            large: Mutex::ranked(Rank::Large, LargeSpans::default()),
            in_use: AtomicUsize::new(0),
            runs_low: AtomicBool::new(false),
            max_bytes,
            max_slots,
        }
    }

    /// The class of a key.
    pub(crate) fn class(&self, key: ClassKey) -> Arc<Class> {
        self.classes.lock().of(key)
    }

    fn take_pages(
        &self,
        heap: &mut PageHeap,
        bytes: usize,
        external: usize,
    ) -> Result<PageRun, NoPages> {
        let pages = bytes.div_ceil(PAGE);
        let in_use = self.in_use.load(Ordering::Relaxed);
        let wanted = in_use.checked_add(pages * PAGE).ok_or(NoPages::Limit)?;
        if wanted.saturating_add(external) > self.max_bytes {
            return Err(NoPages::Limit);
        }
        let run = if pages <= DATA_PAGES {
            heap.allocate(pages)
        } else {
            heap.allocate_large(bytes)
        };
        let run = run.map_err(|_| NoPages::System)?;
        self.in_use.store(wanted, Ordering::Relaxed);
        if heap.wants_chunk() {
            self.runs_low.store(true, Ordering::Relaxed);
        }
        Ok(run)
    }

    /// Whether a background thread should be told that memory runs low; true once per page run taken.
    #[inline]
    pub(crate) fn runs_low(&self) -> bool {
        self.runs_low.load(Ordering::Relaxed) && self.runs_low.swap(false, Ordering::Relaxed)
    }

    /// Makes one chunk ready if the heap grows and has little left; whether it did.
    pub(crate) fn make_ready(&self) -> bool {
        if !self.pages.lock().wants_chunk() {
            return false;
        }
        // What the system refuses now is the allocation's to report.
        let Ok(chunk) = ReadyChunk::new() else {
            return false;
        };
        self.pages.lock().add_chunk(chunk);
        true
    }

    /// New, empty spans of a class: one, and more up to `count` where they cost no new chunk and the heap is far from its limit.
    pub(crate) fn new_spans(
        &self,
        class: &Class,
        external: usize,
        count: usize,
        spans: &mut Vec<Span>,
    ) -> Result<(), NoPages> {
        let slot_size = class.key.slot_size;
        let pages = size_class::span_pages(slot_size);
        let mut runs = [0; MAX_BATCH];
        let mut heap = self.pages.lock();
        let first = self.take_pages(&mut heap, pages * PAGE, external)?;
        runs[0] = first.base;
        let more = &mut runs[1..count.clamp(1, MAX_BATCH)];
        let taken = 1 + self.take_more_pages(&mut heap, pages, external, more);
        drop(heap);
        let create = |&base: &usize| {
            let init = SpanInit {
                base,
                pages,
                info: class.key.info,
                slot_size,
                slots: (pages * PAGE / slot_size).min(self.max_slots),
                large: false,
                owner: class.key.owner,
            };
            // SAFETY: the page heap has given the pages to nobody else (I14), and their marks are zero (I12). As many slots as fit,
            // which `span_pages` keeps few enough; `alloc` makes keys whose slots suit the type.
            unsafe { Span::create(&init) }
        };
        os::first_touch(first.fresh_huge, || {
            spans.extend(runs[..taken].iter().rev().map(create));
        });
        Ok(())
    }

    /// Fills `runs` with runs of `pages` pages, as far as the page heap has some at hand and less than half of the limit is in use:
    /// nobody else should find the heap full for what is taken ahead. How many there are.
    fn take_more_pages(
        &self,
        heap: &mut PageHeap,
        pages: usize,
        external: usize,
        runs: &mut [usize],
    ) -> usize {
        let mut in_use = self.in_use.load(Ordering::Relaxed);
        let mut taken = 0;
        for run in runs {
            let wanted = in_use + pages * PAGE;
            if wanted.saturating_add(external) > self.max_bytes / 2 {
                break;
            }
            let Some(found) = heap.allocate_at_hand(pages) else {
                break;
            };
            (*run, in_use, taken) = (found.base, wanted, taken + 1);
        }
        self.in_use.store(in_use, Ordering::Relaxed);
        taken
    }

    /// A span for one object of `bytes` bytes, its slot coloured `black` if that is given. Not yet on the list of large spans.
    pub(crate) fn new_large(
        &self,
        info: &'static TypeInfo,
        bytes: usize,
        black: Option<Epoch>,
        owner: u64,
        external: usize,
    ) -> Result<Span, NoPages> {
        let run = self.take_pages(&mut self.pages.lock(), bytes, external)?;
        let pages = bytes.div_ceil(PAGE);
        let init = SpanInit {
            base: run.base,
            pages,
            info,
            slot_size: pages * PAGE,
            slots: 1,
            large: true,
            owner,
        };
        let span = os::first_touch(run.fresh_huge, || {
            // SAFETY: the page heap has given the pages to nobody else (I14), and their marks are zero (I12). One slot of all of them,
            // enough for the object and any alignment.
            unsafe { Span::create(&init) }
        });
        span.take_run(black, 1);
        Ok(span)
    }

    /// Gives the pages of spans back. The caller owns them and no object in them is alive.
    pub(crate) fn free_spans(&self, spans: &[Span]) {
        if spans.is_empty() {
            return;
        }
        for span in spans {
            let base = span.base();
            span.colour(base, base + span.slots() * span.slot_size(), 0);
        }
        let mut unmapped = Vec::new();
        let mut heap = self.pages.lock();
        let mut in_use = self.in_use.load(Ordering::Relaxed);
        for span in spans {
            in_use -= span.pages() * PAGE;
            unmapped.extend(heap.free(span.base(), span.pages()));
        }
        self.in_use.store(in_use, Ordering::Relaxed);
        drop(heap);
        // Unmapping takes long: not under the lock.
        drop(unmapped);
    }

    /// Bytes of pages that belong to spans.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Bytes of memory backed by the operating system, an upper bound.
    pub(crate) fn committed(&self) -> usize {
        self.pages.lock().committed_bytes()
    }

    /// Gives memory that has been free for a while back to the operating system; returns how many bytes.
    pub(crate) fn scavenge(&self, keep_free: usize, at_most: usize) -> usize {
        let now = std::time::Instant::now();
        let done = self.pages.lock().scavenge_detached(now, keep_free, at_most);
        done.bytes
    }

    /// Free bytes that scavenging could still give back.
    pub(crate) fn free_bytes(&self) -> usize {
        self.pages.lock().free_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::class::ClassKey;
    use super::type_info::PLAIN;
    use super::{Space, layout::MAX_SLOTS};

    #[test]
    fn pages_that_threads_take_and_free_at_once_are_all_counted() {
        let space = Space::new(usize::MAX, MAX_SLOTS, false);
        let key = ClassKey {
            info: &PLAIN,
            slot_size: 4096,
            owner: 0,
        };
        let class = space.class(key);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut spans = Vec::new();
                    for count in (1..=4).cycle().take(50_000) {
                        space.new_spans(&class, 0, count, &mut spans).unwrap();
                        space.free_spans(&spans);
                        spans.clear();
                    }
                });
            }
        });
        assert_eq!(space.in_use(), 0);
    }
}
