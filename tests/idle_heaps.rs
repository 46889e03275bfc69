//! What a heap costs that does nothing: memory, and no thread of its own.
#![cfg(target_os = "linux")]

mod common;

use common::wait_until;
use tricolor_gc::{Gc, GcSlot, Heap, Mutator, Root, Rootable, Trace};

const HEAPS: usize = 1000;

#[derive(Trace)]
struct Node<'gc> {
    value: usize,
    _next: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
}

/// A figure of the process, as `/proc` has it.
fn figure(key: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Threads of the collector.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may end while they are counted.
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("tricolor-gc")).count()
}

/// A heap with one object, its root and a mutator, after one cycle.
fn idle_heap(value: usize) -> (Heap, Mutator, Root<Rootable![Node<'_>]>) {
    let heap = Heap::builder().marker_threads(2).build().unwrap();
    let mut mutator = heap.attach();
    let root = mutator.enter(|mc| {
        let _next = GcSlot::new(None);
        Root::new(mc, Gc::new(mc, Node { value, _next }))
    });
    assert_eq!(mutator.collect().objects_live, 1);
    (heap, mutator, root)
}

/// One test, since it measures the process.
#[test]
fn a_thousand_idle_heaps_are_small_and_share_their_threads() {
    let first = idle_heap(0);
    let memory = figure("VmRSS:");
    let mut heaps: Vec<_> = (0..HEAPS).map(idle_heap).collect();
    let each = (figure("VmRSS:") - memory) as f64 / HEAPS as f64;
    println!("{each} KiB per heap, {} threads", threads());
    assert!(each <= 64.0, "{each} KiB per heap");
    // One that was kept from the processor for long may have been replaced for a moment.
    wait_until("there are as many threads as each asks for", || {
        threads() <= 2
    });
    for (index, (_, mutator, root)) in heaps.iter_mut().enumerate() {
        mutator.enter(|mc| assert_eq!(root.get(mc).value, index));
    }
    drop((first, heaps));
    wait_until("the threads have ended with the heaps", || threads() == 0);
}
