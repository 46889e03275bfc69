//! Size classes, and the page heap against a list of the runs in use: what is handed out is free, whole and zero where it
//! says so, and the books balance (`PageHeap::check_invariants`, after each step).

#![no_main]
#![allow(dead_code, reason = "the files are the crate's, and this uses parts of them")]

/// The files of the crate, private there.
#[path = "../../src/heap"]
mod heap {
    pub(crate) mod layout;
    pub(crate) mod os;
    pub(crate) mod page_heap;
    pub(crate) mod size_class;
}

/// The page heap's locks.
#[path = "../../src/sync"]
mod sync {
    pub(crate) mod ranked;
}

use std::collections::BTreeMap;
use std::ptr::with_exposed_provenance_mut;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Result, Unstructured};
use heap::layout::{CHUNK, DATA_PAGES, GRANULE, HEADER, MAX_SMALL, PAGE};
use heap::page_heap::{PageHeap, PageHeapConfig, PageRun, ReadyChunk};
use heap::size_class::{class_of, size_of_class, span_pages};
use libfuzzer_sys::fuzz_target;

/// Pages of the runs in use at most, so that the fuzzer stays small.
const MOST: usize = 5 * DATA_PAGES;
/// Steps of a run at most.
const LENGTH: usize = 200;

#[derive(Arbitrary, Debug)]
enum Step {
    /// A span for objects of a size.
    Span(u16),
    /// A run of pages.
    Run(u8),
    /// A run for a large object.
    Large(u16),
    /// Frees the run at an index.
    Free(u8),
    /// Time passes and memory goes back: milliseconds, and pages to keep and to give at most.
    Scavenge(u16, u8, u8),
    /// A chunk is made ready, if one is wanted.
    Ready,
}

struct Checked {
    heap: PageHeap,
    /// Pages by base.
    runs: BTreeMap<usize, usize>,
    clock: Instant,
}

fn byte(address: usize) -> *mut u8 {
    with_exposed_provenance_mut(address)
}

/// Whether a byte in each 4 KiB is zero.
fn is_zero(base: usize, bytes: usize) -> bool {
    // SAFETY: the caller's range is mapped and in its own use.
    (0..bytes)
        .step_by(4096)
        .all(|offset| unsafe { byte(base + offset).read() } == 0)
}

fn pages_of(slot: usize) -> usize {
    let pages = span_pages(slot);
    let bytes = pages * PAGE;
    assert!(
        bytes >= slot && (bytes % slot) * 8 <= bytes,
        "{slot} in {pages} pages"
    );
    pages
}

/// What the class of a size promises; the pages of its spans.
fn class(size: usize) -> usize {
    let class = class_of(size);
    let slot = size_of_class(class);
    assert!(slot >= size && slot <= MAX_SMALL && slot.is_multiple_of(GRANULE));
    assert!(
        class == 0 || size_of_class(class - 1) < size,
        "{size}: not the least class"
    );
    assert_eq!(class_of(slot), class);
    pages_of(slot)
}

impl Checked {
    fn pages(&self) -> usize {
        self.runs.values().sum()
    }

    fn insert(&mut self, run: PageRun, pages: usize) {
        assert_eq!((run.pages, run.base % PAGE), (pages, 0));
        assert!(run.base % CHUNK >= HEADER);
        let end = run.base + pages * PAGE;
        let before = self.runs.range(..end).next_back();
        assert!(
            before.is_none_or(|(base, pages)| base + pages * PAGE <= run.base),
            "overlap"
        );
        assert!(
            run.new_chunk.is_none_or(|chunk| is_zero(chunk, HEADER)),
            "a used header"
        );
        assert!(!run.zeroed || is_zero(run.base, pages * PAGE), "not zero");
        for offset in (0..pages * PAGE).step_by(4096) {
            // SAFETY: the run is in use by this target alone.
            unsafe { byte(run.base + offset).write(1) };
        }
        self.runs.insert(run.base, pages);
    }

    fn allocate(&mut self, pages: usize) {
        if self.pages() + pages > MOST {
            return;
        }
        let run = if pages <= DATA_PAGES {
            self.heap.allocate(pages)
        } else {
            self.heap.allocate_large(pages * PAGE - 1)
        };
        self.insert(run.expect("the system has so much memory"), pages);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Span(size) => {
                let size = usize::from(size) % (MAX_SMALL + 1);
                self.allocate(class(size));
                let exact = size.next_multiple_of(GRANULE).max(GRANULE);
                self.allocate(pages_of(exact));
            }
            Step::Run(pages) => self.allocate(usize::from(pages) % DATA_PAGES + 1),
            Step::Large(pages) => self.allocate(usize::from(pages) % 400 + 1),
            Step::Free(index) if !self.runs.is_empty() => {
                let index = usize::from(index) % self.runs.len();
                let (&base, &pages) = self.runs.iter().nth(index).expect("it is below the length");
                self.runs.remove(&base);
                drop(self.heap.free(base, pages));
            }
            Step::Free(_) => {}
            Step::Scavenge(millis, keep, most) => {
                self.clock += Duration::from_millis(u64::from(millis));
                let (keep, most) = (usize::from(keep) * PAGE, usize::from(most) * 4 * PAGE);
                let before = (self.heap.committed_bytes(), self.heap.free_bytes());
                let done = self.heap.scavenge_detached(self.clock, keep, most);
                // What is unmapped is whole: the last of it may go beyond.
                let whole = done.unmapped.iter().map(|mapping| mapping.bytes()).max();
                assert!(done.bytes <= most + whole.unwrap_or(0));
                assert_eq!(self.heap.committed_bytes(), before.0 - done.bytes);
                assert!(self.heap.free_bytes() >= keep.min(before.1));
            }
            Step::Ready if self.heap.wants_chunk() => {
                let chunk = ReadyChunk::new().expect("the system has so much memory");
                self.heap.add_chunk(chunk);
            }
            Step::Ready => {}
        }
        self.heap.check_invariants();
        assert_eq!(self.heap.in_use_bytes(), self.pages() * PAGE);
    }
}

/// The threshold for huge pages, and steps.
#[derive(Debug)]
struct Program(usize, Vec<Step>);

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let huge_pages_from = *u.choose(&[usize::MAX, 0, 4 << 20])?;
        let mut steps = Vec::new();
        while !u.is_empty() && steps.len() < LENGTH {
            steps.push(u.arbitrary()?);
        }
        Ok(Program(huge_pages_from, steps))
    }
}

fuzz_target!(|program: Program| {
    let Program(huge_pages_from, steps) = program;
    let mut checked = Checked {
        heap: PageHeap::new(PageHeapConfig {
            huge_pages_from,
            made_ready: true,
        }),
        runs: BTreeMap::new(),
        clock: Instant::now(),
    };
    for step in steps {
        checked.step(step);
    }
    for (base, pages) in std::mem::take(&mut checked.runs) {
        drop(checked.heap.free(base, pages));
    }
    checked.heap.check_invariants();
    assert_eq!(checked.heap.in_use_bytes(), 0);
    // Everything is free and old: all of it goes.
    for _ in 0..3 {
        checked.clock += Duration::from_secs(10);
        drop(checked.heap.scavenge_detached(checked.clock, 0, usize::MAX));
    }
    assert_eq!(checked.heap.committed_bytes(), 0);
});
