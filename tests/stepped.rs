//! Heaps without marker threads, with several mutators: the work is theirs, and they wait for each other.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::BARRIERS;
use tricolor_gc::{Gc, Heap};

/// A cycle may wait for a thread that the system has taken off its processor inside `enter`: the others wait as well, where the heap is full of
/// garbage, and are not refused.
#[test]
fn threads_that_share_a_heap_with_a_limit_make_room_for_each_other() {
    for barrier in BARRIERS {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.max_heap(8 << 20).build().unwrap();
        let (refused, enters) = (AtomicU64::new(0), AtomicU64::new(0));
        let until = Instant::now() + Duration::from_millis(500);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut mutator = heap.attach();
                    while Instant::now() < until {
                        let made = mutator
                            .enter(|mc| (0..100).all(|_| Gc::try_new(mc, [1_u64; 6]).is_ok()));
                        enters.fetch_add(1, Ordering::Relaxed);
                        refused.fetch_add(u64::from(!made), Ordering::Relaxed);
                    }
                });
            }
        });
        let [refused, enters] = [&refused, &enters].map(|n| n.load(Ordering::Relaxed));
        assert!(
            refused * 100 <= enters,
            "{barrier}: {refused} of {enters} were refused"
        );
    }
}

/// As with marker threads: the others run on, slowed down at twice the goal.
#[test]
fn a_thread_that_stays_inside_does_not_let_the_heap_run_away() {
    for barrier in BARRIERS {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.min_heap(1 << 20).build().unwrap();
        let (inside, over) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                heap.attach().enter(|_| {
                    inside.store(true, Ordering::Release);
                    while !over.load(Ordering::Acquire) {
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            });
            while !inside.load(Ordering::Acquire) {
                thread::yield_now();
            }
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(500));
                over.store(true, Ordering::Release);
            });
            let mut mutator = heap.attach();
            while !over.load(Ordering::Acquire) {
                mutator.enter(|mc| {
                    for _ in 0..100 {
                        Gc::new(mc, [1_u64; 6]);
                    }
                });
            }
        });
        let used = heap.stats().bytes_in_use;
        assert!(used < 24 << 20, "{barrier}: {} MB", used >> 20);
    }
}
