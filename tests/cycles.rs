//! Garbage of all shapes dies, what is reachable lives, under every barrier.

mod common;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use common::{BARRIERS, heaps, wait_until};
use tricolor_gc::{
    Barrier, CycleStats, Gc, GcCell, GcRefCell, GcSlot, Heap, Root, Rootable, Trace,
};

#[derive(Trace)]
struct Node<'gc> {
    value: u64,
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    others: GcRefCell<Vec<Gc<'gc, Node<'gc>>>>,
}

impl<'gc> Node<'gc> {
    fn new(value: u64) -> Self {
        Node {
            value,
            next: GcCell::new(None),
            others: GcRefCell::new(Vec::new()),
        }
    }
}

#[test]
fn a_cycle_without_a_root_dies() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        mutator.enter(|mc| {
            let a = Gc::new(mc, Node::new(1));
            let b = Gc::new(mc, Node::new(2));
            a.next.set(mc, Some(b));
            b.next.set(mc, Some(a));
            b.others.borrow_mut(mc).push(b);
        });
        let cycle = mutator.collect();
        assert_eq!((cycle.objects_freed, cycle.objects_live), (2, 0), "{cycle}");
    }
}

#[test]
fn what_a_root_reaches_lives() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let root: Root<Rootable![Node<'_>]> = mutator.enter(|mc| {
            let top = Gc::new(mc, Node::new(0));
            let mut last = top;
            for value in 1..1000 {
                let node = Gc::new(mc, Node::new(value));
                last.next.set(mc, Some(node));
                top.others.borrow_mut(mc).push(node);
                last = node;
            }
            last.next.set(mc, Some(top));
            Root::new(mc, top)
        });
        for _ in 0..3 {
            let cycle = mutator.collect();
            assert_eq!(
                (cycle.objects_freed, cycle.objects_live),
                (0, 1000),
                "{cycle}"
            );
        }
        mutator.enter(|mc| {
            let top = root.get(mc);
            let mut node = top;
            for value in 0..1000 {
                assert_eq!(node.value, value);
                node = node.next.get().unwrap();
            }
            assert!(Gc::ptr_eq(node, top));
        });
        drop(root);
        let cycle = mutator.collect();
        assert_eq!(
            (cycle.objects_freed, cycle.objects_live),
            (1000, 0),
            "{cycle}"
        );
    }
}

/// Slices too long to be scanned at once, whose elements move while they are.
#[test]
fn what_a_long_slice_reaches_lives() {
    type Numbers = Rootable!['gc => [GcSlot<Gc<'gc, u64>>]];
    const LEN: usize = 20_000;
    for heap in heaps() {
        let mut mutator = heap.attach();
        let root: Root<Numbers> = mutator.enter(|mc| {
            let numbers = Gc::slice_from_fn(mc, LEN, |i| GcSlot::new(Gc::new(mc, i as u64)));
            Root::new(mc, numbers)
        });
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let collects = scope.spawn(|| {
                for _ in 0..4 {
                    heap.collect();
                }
                done.store(true, Ordering::Relaxed);
            });
            let mut turn = 0;
            while !done.load(Ordering::Relaxed) {
                mutator.enter(|mc| {
                    let slots = root.get(mc);
                    for _ in 0..100 {
                        // From an end that may be scanned to one that may not, and back.
                        let (low, high) = (turn % (LEN / 2), LEN - 1 - turn % (LEN / 2));
                        let number = slots[low].get();
                        slots[low].set(mc, slots[high].get());
                        slots[high].set(mc, number);
                        turn += 1;
                    }
                });
            }
            collects.join().unwrap();
        });
        mutator.enter(|mc| {
            let sum: u64 = root.get(mc).iter().map(|slot| *slot.get()).sum();
            assert_eq!(
                sum,
                (LEN as u64) * (LEN as u64 - 1) / 2,
                "{}",
                heap.barrier()
            );
        });
    }
}

#[test]
fn a_program_that_makes_garbage_all_the_time_stays_small() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let root: Root<Rootable![Node<'_>]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, Node::new(7))));
        let mut turn = |round| {
            mutator.enter(|mc| {
                let top = root.get(mc);
                top.others.borrow_mut(mc).clear();
                for value in 0..500 {
                    let node = Gc::new(mc, Node::new(value));
                    node.next.set(mc, Some(top));
                    top.others.borrow_mut(mc).push(node);
                    top.next.set(mc, Some(node));
                }
                assert_eq!(top.value, 7);
                let sum: u64 = top.others.borrow().iter().map(|node| node.value).sum();
                assert_eq!(sum, 499 * 500 / 2, "round {round}");
            });
        };
        let small = (0..8_000).filter(|round| {
            turn(*round);
            heap.stats().bytes_in_use < 64 << 20
        });
        // On a busy machine marker threads may be late now and then.
        let small = small.count();
        assert!(small > 6_000, "small after {small} of 8000 rounds");
        wait_until("there have been cycles, and the heap is small", || {
            turn(8_000);
            let stats = heap.stats();
            stats.cycles > 3 && stats.bytes_in_use < 64 << 20
        });
    }
}

/// A mutator that finds the heap full asks for one cycle, also when that cycle begins at the same moment: which an optimised
/// build, that allocates fast, meets within a few cycles.
#[test]
fn no_cycle_begins_before_the_heap_has_grown() {
    for barrier in BARRIERS {
        let heap = Heap::builder()
            .barrier(barrier)
            .marker_threads(1)
            .min_heap(256 << 10)
            .build()
            .unwrap();
        let mut mutator = heap.attach();
        let (mut last, mut pairs) = (None::<CycleStats>, 0);
        while pairs < if cfg!(debug_assertions) { 20 } else { 100 } {
            mutator.enter(|mc| {
                while !mc.should_yield() {
                    Gc::new(mc, [1_u64, 2]);
                }
            });
            let now = heap.last_cycle();
            if let (Some(last), Some(now)) = (&last, &now)
                && now.cycle == last.cycle + 1
            {
                let room = now.goal.saturating_sub(last.heap_live);
                assert!(
                    now.heap_start >= last.heap_live + room / 2,
                    "{barrier}: {last}\n{now}"
                );
                pairs += 1;
            }
            last = now;
        }
    }
}

/// The lines of `trace(true)` are for whoever reads them: when nobody does any more, the program goes on.
#[test]
fn a_trace_that_nobody_reads() {
    const CHILD: &str = "TRICOLOR_TEST_TRACES";
    if std::env::var_os(CHILD).is_some() {
        let heap = Heap::builder().marker_threads(1).trace(true).build();
        let mut mutator = heap.unwrap().attach();
        (0..3).for_each(|_| {
            mutator.collect();
        });
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["a_trace_that_nobody_reads", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}

/// While a cycle waits for a thread that stays inside, the others allocate more slowly once the heap is twice its goal.
#[test]
fn a_heap_does_not_run_away_while_a_cycle_waits_for_a_thread() {
    // Counts as an allocation does, and takes no time.
    const BLOCK: isize = 64 << 10;
    for barrier in [Barrier::Insertion, Barrier::Hybrid] {
        let heap = Heap::builder()
            .barrier(barrier)
            .marker_threads(1)
            .min_heap(1 << 20)
            .build()
            .unwrap();
        let (inside, outside) = (AtomicBool::new(false), AtomicBool::new(false));
        let used = thread::scope(|scope| {
            let straggler = scope.spawn(|| {
                heap.attach().enter(|_| {
                    inside.store(true, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(400));
                    outside.store(true, Ordering::Relaxed);
                    heap.stats().bytes_external
                })
            });
            wait_until("the other thread is inside", || {
                inside.load(Ordering::Relaxed)
            });
            let mut mutator = heap.attach();
            while !outside.load(Ordering::Relaxed) {
                mutator.enter(|mc| mc.account(BLOCK));
            }
            straggler.join().unwrap()
        });
        // A block each half millisecond, once there is twice the goal.
        assert!(used < 200 << 20, "{barrier}: {used}");
        heap.account(-heap.stats().bytes_external.cast_signed());
    }
}
