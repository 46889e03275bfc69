//! The page heap against a naive model, and what the operating system says of it.

use super::*;
use crate::heap::os::LAZY;
use core::ptr::with_exposed_provenance_mut;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A heap with huge pages from the given committed bytes on.
fn heap(huge_pages_from: usize) -> PageHeap {
    PageHeap::new(PageHeapConfig {
        huge_pages_from,
        made_ready: false,
    })
}

/// Writes a byte into each 4 KiB of a run.
fn touch(run: &PageRun) {
    for offset in (0..run.pages * PAGE).step_by(4096) {
        // SAFETY: a byte of a run, or of the header of one, that the page heap has given to this test alone (I14).
        unsafe { with_exposed_provenance_mut::<u8>(run.base + offset).write(1) };
    }
}

/// Whether a byte in each 4 KiB of a run is zero.
fn is_zero(run: &PageRun) -> bool {
    (0..run.pages * PAGE).step_by(4096).all(|offset| {
        // SAFETY: a byte of a run, or of the header of one, that the page heap has given to this test alone; zero or written (I14).
        unsafe { with_exposed_provenance_mut::<u8>(run.base + offset).read() == 0 }
    })
}

/// Scavenges without limits until everything free is old, and a bit more.
fn scavenge_all(heap: &mut PageHeap, clock: &mut Instant) -> usize {
    let mut bytes = 0;
    for _ in 0..3 {
        *clock += scavenge::GRACE;
        bytes += heap.scavenge(*clock, 0, usize::MAX);
    }
    bytes
}

#[test]
fn the_run_freed_last_is_handed_out_first() {
    let mut heap = heap(usize::MAX);
    let runs: Vec<_> = (0..200).map(|_| heap.allocate(1).unwrap()).collect();
    assert_eq!(runs[0].new_chunk, Some(runs[0].base - HEADER));
    assert_eq!(runs.iter().filter(|run| run.new_chunk.is_some()).count(), 2);
    for index in [5, 130, 40] {
        assert!(heap.free(runs[index].base, 1).is_none());
    }
    for index in [40, 130, 5] {
        let run = heap.allocate(1).unwrap();
        assert_eq!(
            (run.base, run.zeroed, run.new_chunk),
            (runs[index].base, false, None)
        );
    }
    // Freed and forgotten by the ring of recent runs, but still before untouched pages.
    runs.iter()
        .for_each(|run| assert!(heap.free(run.base, 1).is_none()));
    if LAZY {
        (0..200).for_each(|_| assert!(!heap.allocate(1).unwrap().zeroed));
        assert!(heap.allocate(1).unwrap().zeroed);
    }
    heap.check_invariants();
}

#[test]
fn neighbours_coalesce_without_growth() {
    let mut heap = heap(0);
    let runs: Vec<_> = [1, 7, 30, 2, 79]
        .map(|pages| heap.allocate(pages).unwrap())
        .into();
    assert_eq!(heap.reserved_bytes(), CHUNK);
    for index in [3, 0, 4, 2, 1] {
        assert!(heap.free(runs[index].base, runs[index].pages).is_none());
    }
    let whole = heap.allocate(DATA_PAGES).unwrap();
    assert_eq!((whole.base, whole.new_chunk), (runs[0].base, None));
    assert_eq!(heap.reserved_bytes(), CHUNK);
    assert_eq!(heap.free_bytes(), 0);
}

#[test]
fn long_free_memory_goes_and_fresh_memory_stays() {
    let mut heap = heap(usize::MAX);
    let mut clock = Instant::now();
    let runs: Vec<_> = (0..4).map(|_| heap.allocate(DATA_PAGES).unwrap()).collect();
    runs.iter().for_each(touch);
    assert_eq!(heap.scavenge(clock, 0, usize::MAX), 0);
    for run in &runs[1..] {
        assert!(heap.free(run.base, run.pages).is_none());
    }
    assert_eq!(heap.free_bytes(), 3 * DATA_PAGES * PAGE);
    for _ in 0..9 {
        clock += Duration::from_millis(200);
        assert_eq!(heap.scavenge(clock, 0, usize::MAX), 0, "too young");
    }
    clock += Duration::from_millis(200);
    assert_eq!(
        heap.scavenge(clock, DATA_PAGES * PAGE, usize::MAX),
        2 * CHUNK
    );
    assert_eq!(heap.reserved_bytes(), 2 * CHUNK);
    assert_eq!(heap.chunks().count(), 2);
    assert_eq!(
        heap.scavenge(clock, 0, PAGE - 1),
        0,
        "less than a page may go"
    );
    assert_eq!(heap.scavenge(clock, 0, usize::MAX), CHUNK);
    assert_eq!(heap.committed_bytes(), CHUNK);
}

/// It may be what is missing: the limit of a process's address space counts what the heap has of it.
#[test]
fn what_is_free_goes_when_the_system_refuses_more() {
    let mut heap = heap(0);
    let runs: Vec<_> = (0..3).map(|_| heap.allocate(DATA_PAGES).unwrap()).collect();
    let used = heap.allocate(1).unwrap();
    let large = heap.allocate_large(CHUNK).unwrap();
    touch(&used);
    for run in runs.iter().chain([&large]) {
        assert!(heap.free(run.base, run.pages).is_none());
    }
    assert!(heap.reserved_bytes() > 4 * CHUNK);
    assert!(heap.allocate_large(1 << 62).is_err());
    heap.check_invariants();
    assert_eq!(heap.reserved_bytes(), CHUNK, "with a page in use");
    assert!(!is_zero(&used));
    assert!(heap.allocate(DATA_PAGES).unwrap().new_chunk.is_some());
}

/// Any page may be the one that keeps the chunk.
#[test]
fn a_chunk_with_one_page_in_use_stays_mapped() {
    for used in [0, 1, DATA_PAGES / 2, DATA_PAGES - 2, DATA_PAGES - 1] {
        let mut heap = heap(0);
        let mut clock = Instant::now();
        let runs: Vec<_> = (0..DATA_PAGES).map(|_| heap.allocate(1).unwrap()).collect();
        runs.iter().for_each(touch);
        for run in runs.iter().filter(|run| run.base != runs[used].base) {
            assert!(heap.free(run.base, 1).is_none());
        }
        scavenge_all(&mut heap, &mut clock);
        assert_eq!(heap.reserved_bytes(), CHUNK, "page {used}");
        assert!(!is_zero(&runs[used]), "page {used}");
    }
}

#[test]
#[cfg(all(unix, not(miri)))]
fn runs_go_in_place_once_and_come_back_zeroed() {
    let mut heap = heap(usize::MAX);
    let mut clock = Instant::now();
    let runs: Vec<_> = (0..12)
        .map(|index| heap.allocate(if index == 0 { 9 } else { 10 }).unwrap())
        .collect();
    runs.iter().for_each(touch);
    for run in &runs[4..] {
        assert!(heap.free(run.base, run.pages).is_none());
    }
    heap.scavenge(clock, 0, usize::MAX);
    clock += scavenge::GRACE;
    assert_eq!(heap.scavenge(clock, 0, 16 * PAGE), 16 * PAGE, "bounded");
    assert_eq!(
        heap.scavenge(clock, 16 * PAGE, usize::MAX),
        48 * PAGE,
        "down to what is kept"
    );
    assert_eq!(heap.scavenge(clock, 0, usize::MAX), 16 * PAGE, "the rest");
    assert_eq!(scavenge_all(&mut heap, &mut clock), 0, "once");
    assert_eq!((heap.free_bytes(), heap.reserved_bytes()), (0, CHUNK));
    let run = heap.allocate(20).unwrap();
    assert!(run.zeroed && is_zero(&run));
    assert_eq!(heap.committed_bytes(), HEADER + 59 * PAGE);
}

#[test]
fn huge_pages_are_not_broken_for_little() {
    let mut heap = heap(0);
    let mut clock = Instant::now();
    let used = heap.allocate(100).unwrap();
    let free = heap.allocate(19).unwrap();
    assert_eq!(heap.committed_bytes(), CHUNK);
    assert!(heap.free(free.base, 19).is_none());
    assert_eq!(scavenge_all(&mut heap, &mut clock), 0);
    assert!(heap.free(used.base, 100).is_none());
    let _used = heap.allocate(88).unwrap();
    let expected = if LAZY { 31 * PAGE } else { 0 };
    assert_eq!(scavenge_all(&mut heap, &mut clock), expected);
}

#[test]
fn large_runs_are_kept_briefly_and_come_back_with_a_zero_header() {
    let mut heap = heap(usize::MAX);
    let mut clock = Instant::now();
    let first = heap.allocate_large(5 << 20).unwrap();
    let base = first.base - HEADER;
    assert_eq!(
        (first.new_chunk, first.pages, first.zeroed),
        (Some(base), 320, true)
    );
    assert!(heap.chunks().eq([base]));
    touch(&first);
    touch(&PageRun {
        base,
        pages: HEADER / PAGE,
        ..first
    });
    assert!(heap.free(first.base, first.pages).is_none());
    assert_eq!((heap.chunks().count(), heap.in_use_bytes()), (0, 0));
    let second = heap.allocate_large((5 << 20) - PAGE).unwrap();
    assert_eq!(
        (second.base, second.new_chunk, second.zeroed),
        (first.base, Some(base), false)
    );
    assert!(is_zero(&PageRun {
        base,
        pages: HEADER / PAGE,
        ..second
    }));
    let other = heap.allocate_large(64 << 20).unwrap();
    assert!(
        heap.free(other.base, other.pages).is_some(),
        "too large to keep"
    );
    assert!(heap.free(second.base, second.pages).is_none());
    heap.check_invariants();
    let committed = heap.committed_bytes();
    assert_eq!(scavenge_all(&mut heap, &mut clock), committed);
    assert_eq!(heap.reserved_bytes(), 0);
    assert!(heap.allocate_large(usize::MAX).is_err());
    assert!(heap.allocate_large(isize::MAX as usize / 2).is_err());
    assert_eq!(heap.allocate_large(1).unwrap().pages, 1);
}

/// Resident bytes of the heap's chunks, as the kernel's page map says: a word per 4 KiB page, bit 63 set if present.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
fn resident(heap: &PageHeap) -> usize {
    use std::os::unix::fs::FileExt;
    let map = std::fs::File::open("/proc/self/pagemap").unwrap();
    let mut words = vec![0u8; CHUNK / 4096 * 8];
    let mut present = 0;
    for chunk in heap.chunks() {
        map.read_exact_at(&mut words, (chunk / 4096 * 8) as u64)
            .unwrap();
        present += words.chunks(8).filter(|word| word[7] & 0x80 != 0).count();
    }
    present * 4096
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
fn resident_memory_really_drops() {
    for huge_pages_from in [usize::MAX, 0] {
        let mut heap = heap(huge_pages_from);
        let mut clock = Instant::now();
        let runs: Vec<_> = (0..20 * 12)
            .map(|index| heap.allocate(if index % 12 == 0 { 9 } else { 10 }).unwrap())
            .collect();
        runs.iter().for_each(touch);
        // Headers are not touched, but huge pages include them.
        let touched = 20 * DATA_PAGES * PAGE;
        let huge = resident(&heap) - touched;
        assert!(if huge_pages_from == 0 {
            huge <= 20 * HEADER
        } else {
            huge == 0
        });
        // One run of each chunk stays in use, so nothing can be unmapped.
        for run in runs.iter().filter(|run| run.base & (CHUNK - 1) != HEADER) {
            assert!(heap.free(run.base, run.pages).is_none());
        }
        assert_eq!(resident(&heap), touched + huge);
        let given = scavenge_all(&mut heap, &mut clock);
        assert_eq!(
            (given, heap.reserved_bytes()),
            (20 * 110 * PAGE, 20 * CHUNK)
        );
        assert_eq!(resident(&heap), touched + huge - given);
        assert_eq!(heap.committed_bytes(), 20 * (HEADER + 9 * PAGE));
    }
}

/// A step of the model.
#[derive(Clone, Debug)]
enum Step {
    Allocate(usize),
    AllocateLarge(usize),
    Free(usize),
    Scavenge {
        millis: u64,
        keep: usize,
        max: usize,
    },
}

/// Steps with mostly short runs.
fn steps() -> impl Strategy<Value = Step> {
    let pages = prop_oneof![4 => 1usize..=4, 2 => 5usize..=30, 1 => 31usize..=DATA_PAGES];
    prop_oneof![
        8 => pages.prop_map(Step::Allocate),
        1 => (DATA_PAGES + 1..600).prop_map(Step::AllocateLarge),
        8 => any::<usize>().prop_map(Step::Free),
        2 => (0u64..1500, 0usize..4 << 20, 0usize..8 << 20)
            .prop_map(|(millis, keep, max)| Step::Scavenge { millis, keep, max }),
    ]
}

/// The heap, and what it should be.
struct Model {
    heap: PageHeap,
    /// Length in pages by base.
    runs: BTreeMap<usize, usize>,
    clock: Instant,
}

impl Model {
    fn insert(&mut self, run: PageRun, pages: usize) {
        assert_eq!(run.pages, pages);
        assert_eq!(run.base % PAGE, 0);
        assert!(run.base % CHUNK >= HEADER);
        let end = run.base + pages * PAGE;
        let before = self.runs.range(..end).next_back();
        assert!(
            before.is_none_or(|(base, pages)| base + pages * PAGE <= run.base),
            "overlap"
        );
        assert!(
            self.heap
                .chunks()
                .any(|chunk| chunk == run.base & !(CHUNK - 1))
        );
        if let Some(chunk) = run.new_chunk {
            assert!(is_zero(&PageRun {
                base: chunk,
                pages: HEADER / PAGE,
                ..run
            }));
        }
        assert!(!run.zeroed || is_zero(&run));
        touch(&run);
        self.runs.insert(run.base, pages);
    }

    fn free(&mut self, base: usize) {
        let pages = self.runs.remove(&base).unwrap();
        drop(self.heap.free(base, pages));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Allocate(pages) => {
                let run = self.heap.allocate(pages).unwrap();
                self.insert(run, pages);
            }
            Step::AllocateLarge(pages) => {
                let run = self.heap.allocate_large(pages * PAGE - 1).unwrap();
                self.insert(run, pages);
            }
            Step::Free(index) if !self.runs.is_empty() => {
                let base = *self.runs.keys().nth(index % self.runs.len()).unwrap();
                self.free(base);
            }
            Step::Free(_) => {}
            Step::Scavenge { millis, keep, max } => {
                self.clock += Duration::from_millis(millis);
                let before = (self.heap.committed_bytes(), self.heap.free_bytes());
                let bytes = self.heap.scavenge(self.clock, keep, max);
                assert_eq!(self.heap.committed_bytes(), before.0 - bytes);
                assert!(self.heap.free_bytes() >= keep.min(before.1));
            }
        }
        self.heap.check_invariants();
        assert_eq!(
            self.heap.in_use_bytes(),
            self.runs.values().sum::<usize>() * PAGE
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]
    #[test]
    fn agrees_with_the_model(
        huge_pages_from in prop_oneof![Just(0), Just(4 << 20), Just(usize::MAX)],
        steps in prop::collection::vec(steps(), 1..150),
    ) {
        let (heap, runs) = (heap(huge_pages_from), BTreeMap::new());
        let mut model = Model { heap, runs, clock: Instant::now() };
        steps.into_iter().for_each(|step| model.step(step));
        model.runs.clone().into_keys().for_each(|base| model.free(base));
        // Everything is free: each chunk is one run again.
        let chunks = model.heap.chunks().count();
        let reserved = model.heap.reserved_bytes();
        let runs: Vec<_> = (0..chunks).map(|_| model.heap.allocate(DATA_PAGES).unwrap()).collect();
        prop_assert_eq!(model.heap.reserved_bytes(), reserved);
        for run in runs {
            prop_assert!(model.heap.free(run.base, run.pages).is_none());
        }
        scavenge_all(&mut model.heap, &mut model.clock);
        prop_assert_eq!((model.heap.reserved_bytes(), model.heap.committed_bytes()), (0, 0));
    }
}

#[test]
fn a_growing_heap_asks_for_chunks_and_uses_them() {
    for huge in [true, false] {
        grow_into_a_chunk(huge);
    }
}

/// Whatever its pages: touched, it takes room.
fn grow_into_a_chunk(huge: bool) {
    let mut heap = heap(CHUNK);
    assert!(!heap.wants_chunk(), "small heaps fault in what they need");
    let first = heap.allocate(DATA_PAGES).unwrap();
    assert!(heap.wants_chunk());
    let chunk = ReadyChunk::with_pages(huge).unwrap();
    heap.add_chunk(chunk);
    heap.check_invariants();
    assert!(!heap.wants_chunk());
    assert_eq!(heap.free_bytes(), DATA_PAGES * PAGE);
    assert_eq!(heap.committed_bytes(), heap.reserved_bytes());
    let reserved = heap.reserved_bytes();
    let ready = heap.allocate(DATA_PAGES).unwrap();
    assert_eq!((ready.new_chunk, ready.zeroed), (None, true));
    assert!(is_zero(&ready));
    assert_eq!(heap.reserved_bytes(), reserved);
    for run in [first, ready] {
        assert!(heap.free(run.base, run.pages).is_none());
    }
    heap.check_invariants();
}
