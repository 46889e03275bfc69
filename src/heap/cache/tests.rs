//! The spans of a line, without a mutator.

use super::*;
use crate::heap::Space;
use crate::heap::class::ClassKey;
use crate::heap::layout::PAGE;
use crate::heap::page_heap::PageHeap;
use crate::heap::type_info::PLAIN;

const SLOT: usize = 1024;
const KEY: ClassKey = ClassKey {
    info: &PLAIN,
    slot_size: SLOT,
    owner: 0,
};

/// The line of the class, in a cache of its own.
fn line(cache: &Cache, space: &Space) -> usize {
    cache.line(&PLAIN, SLOT, Place::Typed, || space.class(KEY))
}

/// Uses up the line's spans and gives it as many as it wants; how many it got.
fn refill(cache: &Cache, line: usize, space: &Space) -> usize {
    while cache.next_span(line) {
        while cache.next_run(line, None).is_some() {
            let line = &mut cache.lines().lines[line];
            line.cur = line.end;
        }
    }
    let count = cache.give_back_used(line);
    let class = cache.class(line);
    cache.fill(line, |spans| {
        space.new_spans(&class, 0, count, spans).unwrap();
        spans.len()
    })
}

#[test]
fn a_line_takes_more_spans_each_time_and_one_after_it_gave_all_back() {
    let (space, cache) = (Space::new(usize::MAX, usize::MAX, false), Cache::new(true));
    let line = line(&cache, &space);
    let batches = || (0..5).map(|_| refill(&cache, line, &space)).collect();
    let first: Vec<usize> = batches();
    assert_eq!(first, [1, 2, 4, MAX_BATCH, MAX_BATCH]);
    cache.release_all();
    let second: Vec<usize> = batches();
    assert_eq!(second, first);
}

/// Or each allocation would go the slow way.
#[test]
fn the_rest_of_a_run_is_where_the_fast_path_looks() {
    let (space, cache) = (Space::new(usize::MAX, usize::MAX, false), Cache::new(true));
    let line = line(&cache, &space);
    refill(&cache, line, &space);
    assert!(cache.next_span(line));
    let run = cache.next_run(line, None).unwrap().bytes;
    let first = cache.take_slot(line, &PLAIN, SLOT, Place::Typed).unwrap();
    for slot in (first..first + run).step_by(SLOT).skip(1) {
        assert_eq!(cache.typed(&PLAIN, 2 * SLOT), None, "of another size");
        assert_eq!(cache.typed(&PLAIN, SLOT), Some(slot));
    }
    assert_eq!(cache.typed(&PLAIN, SLOT), None, "all of it is used");
}

#[test]
fn every_span_of_a_line_goes_back() {
    let (space, cache) = (Space::new(usize::MAX, usize::MAX, false), Cache::new(true));
    let line = line(&cache, &space);
    let taken: usize = (0..4).map(|_| refill(&cache, line, &space)).sum();
    // One in use, six used up or ready.
    assert!(cache.next_span(line) && cache.next_span(line));
    let unused = cache.next_run(line, None).unwrap().bytes;
    assert_eq!(cache.release_all(), unused);
    let class = cache.class(line);
    let lists = class.lists.lock();
    let all: Vec<Span> = lists.partial.iter().chain(&lists.full).copied().collect();
    assert_eq!(all.len(), taken);
    // The last batch but for its first span, which was gone past without a run of it taken.
    assert_eq!(lists.partial.len(), MAX_BATCH);
    let free: usize = all.iter().map(|span| span.free() * SLOT).sum();
    assert_eq!(free, MAX_BATCH * PAGE);
    assert!(!cache.next_span(line), "it has none left");
}

#[test]
fn spans_are_taken_ahead_where_that_is_no_trouble_only() {
    // Not where half of the limit is in use already.
    let space = Space::new(10 * PAGE, usize::MAX, false);
    let class = space.class(KEY);
    let take = |count| {
        let mut spans = Vec::new();
        space.new_spans(&class, 0, count, &mut spans).unwrap();
        spans.len()
    };
    assert_eq!(take(MAX_BATCH), 5);
    assert_eq!((0..5).map(|_| take(MAX_BATCH)).collect::<Vec<_>>(), [1; 5]);
    let mut none = Vec::new();
    assert!(space.new_spans(&class, 0, MAX_BATCH, &mut none).is_err());
    assert_eq!(space.in_use(), 10 * PAGE);
    // External memory counts.
    let space = Space::new(10 * PAGE, usize::MAX, false);
    let mut spans = Vec::new();
    let few = space.new_spans(&class, 4 * PAGE, MAX_BATCH, &mut spans);
    assert_eq!((few, spans.len()), (Ok(()), 1));
}

#[test]
fn spans_taken_ahead_cost_no_chunk() {
    let mut heap = PageHeap::new(crate::heap::page_heap::PageHeapConfig::default());
    assert!(heap.allocate_at_hand(1).is_none());
    let first = heap.allocate(1).unwrap();
    assert!(first.new_chunk.is_some());
    let mut at_hand = 0;
    while heap.allocate_at_hand(1).is_some() {
        at_hand += 1;
    }
    assert_eq!(at_hand + 1, crate::heap::layout::DATA_PAGES);
    assert_eq!(heap.chunks().count(), 1);
    heap.check_invariants();
}
