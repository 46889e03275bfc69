//! Memory goes back to the system: after a peak the process is small again, without a call if there are marker threads.
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::PATIENCE;
use tricolor_gc::{Gc, Heap, Root, Rootable, Trace};

const MIB: usize = 1 << 20;
const PEAK: usize = 300 * MIB;

/// Bytes of the process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// A list of blocks of `u64`s.
#[derive(Trace)]
struct Block<'gc> {
    next: Option<Gc<'gc, Block<'gc>>>,
    words: Gc<'gc, [u64]>,
}

/// Fills the heap with small objects, or with large ones.
fn fill(heap: &Heap, words: usize) -> Root<Rootable![Block<'_>]> {
    let mut mutator = heap.attach();
    let objects = PEAK / (words * 8);
    let portions = objects.min(100);
    let mut root: Option<Root<Rootable![Block<'_>]>> = None;
    for portion in 0..portions {
        root = Some(mutator.enter(|mc| {
            let mut last = root.as_ref().map(|root| root.get(mc));
            for index in 0..objects / portions {
                let words = Gc::slice_from_fn(mc, words, |_| (portion + index) as u64);
                last = Some(Gc::new(mc, Block { next: last, words }));
            }
            Root::new(mc, last.unwrap())
        }));
    }
    root.unwrap()
}

/// One test, since it measures the process.
#[test]
fn memory_is_given_back_after_a_peak() {
    for (words, markers) in [(16, 1), (1 << 20, 1), (16, 0)] {
        let heap = Heap::builder().marker_threads(markers).build().unwrap();
        let before = resident();
        let root = fill(&heap, words);
        let peak = resident();
        assert!(
            peak - before > PEAK / 2,
            "the peak was {} MiB only",
            peak / MIB
        );
        // Nobody calls the heap from here on, unless it has no threads.
        drop(root);
        let since = Instant::now();
        // Both at once: pages go back one by one while the last of them are swept.
        let in_use = || heap.stats().bytes_in_use;
        while resident() > before + 64 * MIB || in_use() >= 8 * MIB {
            let now = resident();
            assert!(
                since.elapsed() < PATIENCE,
                "{} MiB of {} MiB after {:?}, {} in use, objects of {words} words",
                now / MIB,
                peak / MIB,
                since.elapsed(),
                in_use() / MIB
            );
            if markers == 0 {
                heap.collect();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(heap);
    }
}
