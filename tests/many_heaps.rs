//! Many heaps in one process: their background threads are shared, and what one heap does delays no other for long.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier as Meeting};
use std::thread;

use common::{BARRIERS, Drops, heap, long_list, wait_until};
use tricolor_gc::{Gc, GcSlot, Heap, Mutator, Root, Rootable, Trace};

/// Calls a function when it is dropped.
#[derive(Trace)]
#[trace(skip)]
struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

fn on_drop(mutator: &mut Mutator, f: impl FnOnce() + Send + 'static) {
    mutator.enter(|mc| {
        Gc::new(mc, OnDrop(Some(Box::new(f))));
    });
}

/// Asks for a cycle as allocation does, and does not wait for it.
fn ask(mutator: &mut Mutator) {
    mutator.enter(|mc| {
        mc.account(1 << 40);
        mc.account(-(1 << 40));
    });
}

/// Allocates until a cycle has ended that began after the call.
fn allocate_until_collected(heap: &Heap) {
    let mut mutator = heap.attach();
    let before = heap.stats().cycles;
    wait_until("the heap has been collected", || {
        mutator.enter(|mc| {
            for _ in 0..1000 {
                Gc::slice_from_fn(mc, 100, |index| index);
            }
        });
        heap.stats().cycles > before
    });
}

#[test]
fn a_destructor_that_blocks_delays_no_other_heap_for_long() {
    for barrier in BARRIERS {
        for markers in [1, 2] {
            let blocked: Vec<Heap> = (0..3).map(|_| heap(barrier, markers)).collect();
            let entered = Arc::new(AtomicUsize::new(0));
            let leave = Arc::new(Meeting::new(blocked.len() + 1));
            for heap in &blocked {
                let (entered, leave) = (entered.clone(), leave.clone());
                let mut mutator = heap.attach();
                on_drop(&mut mutator, move || {
                    entered.fetch_add(1, Ordering::SeqCst);
                    leave.wait();
                });
                ask(&mut mutator);
            }
            let free = heap(barrier, markers);
            allocate_until_collected(&free);
            let mut mutator = free.attach();
            assert!(mutator.collect().cycle > 1);
            // Blocked all the time, each of them: threads are made for those that wait.
            wait_until("each destructor runs", || {
                blocked.iter().for_each(|heap| ask(&mut heap.attach()));
                entered.load(Ordering::SeqCst) == 3
            });
            assert!(blocked.iter().all(|heap| heap.stats().cycles == 0));
            leave.wait();
            wait_until("the cycles have ended", || {
                blocked.iter().all(|heap| heap.stats().cycles > 0)
            });
        }
    }
}

#[test]
fn a_destructor_may_wait_for_a_thread_that_collects_another_heap() {
    for barrier in BARRIERS {
        let (first, second) = (heap(barrier, 1), heap(barrier, 1));
        let mut mutator = first.attach();
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        on_drop(&mut mutator, move || {
            let thread = thread::spawn(move || second.attach().collect().cycle);
            assert_eq!(thread.join().unwrap(), 1);
            seen.store(true, Ordering::SeqCst);
        });
        mutator.collect();
        assert!(done.load(Ordering::SeqCst));
        assert_eq!(first.stats().drops_panicked, 0);
    }
}

#[test]
fn a_destructor_may_wait_until_another_heap_has_been_collected() {
    for barrier in BARRIERS {
        let (first, second) = (heap(barrier, 1), heap(barrier, 1));
        let mut mutator = first.attach();
        on_drop(&mut mutator, move || allocate_until_collected(&second));
        mutator.collect();
        assert_eq!(first.stats().drops_panicked, 0);
    }
}

/// A link whose trace takes a while.
#[derive(Trace)]
struct Slow<'gc> {
    next: GcSlot<Option<Gc<'gc, Slow<'gc>>>>,
    words: [u64; 3000],
}

#[test]
fn a_heap_that_marks_for_long_lets_others_in() {
    let large = Heap::builder()
        .marker_threads(1)
        .min_heap(1 << 32)
        .build()
        .unwrap();
    let stop = AtomicBool::new(false);
    let small = heap(large.barrier(), 1);
    thread::scope(|scope| {
        let marking = scope.spawn(|| {
            let mut mutator = large.attach();
            let mut root: Option<Root<Rootable![Slow<'_>]>> = None;
            for _ in 0..2000 {
                let new = mutator.enter(|mc| {
                    let next = GcSlot::new(root.as_ref().map(|root| root.get(mc)));
                    let words = [7; 3000];
                    Root::new(mc, Gc::new(mc, Slow { next, words }))
                });
                root = Some(new);
            }
            // One cycle after the other.
            while !stop.load(Ordering::Relaxed) {
                mutator.collect();
            }
            mutator.enter(|mc| {
                let link = root.as_ref().unwrap().get(mc);
                assert_eq!(link.words[2999], 7);
                assert!(link.next.get().is_some());
            });
        });
        wait_until("the large heap collects", || large.stats().cycles > 0);
        for _ in 0..20 {
            allocate_until_collected(&small);
        }
        stop.store(true, Ordering::Relaxed);
        marking.join().unwrap();
    });
    assert!(small.stats().cycles >= 20);
}

/// A list that changes; what it has must be there.
fn work(heap: &Heap, turns: usize) {
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let root: Root<Rootable![common::Link<'_, common::Token>]> =
        mutator.enter(|mc| Root::new(mc, long_list(mc, drops.token())));
    for _ in 0..turns {
        mutator.enter(|mc| {
            let head = root.get(mc);
            let next = GcSlot::new(head.next.get());
            let new = Gc::new(mc, common::Link { next, tail: None });
            head.next.set(mc, Some(new));
            Gc::new(mc, drops.token());
        });
        mutator.collect();
    }
    mutator.enter(|mc| {
        let _: &common::Token = common::tail_of(root.get(mc));
    });
    assert_eq!(drops.count(), turns);
    drop(root);
    mutator.collect();
    assert_eq!(drops.count(), turns + 1);
}

#[test]
fn many_heaps_on_many_threads_collect_at_once() {
    let heaps: Vec<Heap> = (0..16)
        .map(|index| heap(BARRIERS[index % 4], index / 4))
        .collect();
    thread::scope(|scope| {
        let spawn = |heap| scope.spawn(move || work(heap, 8));
        let threads: Vec<_> = heaps.iter().map(spawn).collect();
        // ThreadSanitizer sees a join, and not the end of a scope, which is in compiled std.
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    assert!(heaps.iter().all(|heap| heap.stats().objects_live == 0));
}

#[test]
fn heaps_come_and_go_while_others_collect() {
    let stop = AtomicBool::new(false);
    let other = heap(BARRIERS[2], 3);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut mutator = other.attach();
            while !stop.load(Ordering::Relaxed) {
                ask(&mut mutator);
                thread::yield_now();
            }
        });
        for turn in 0..60 {
            let drops = Drops::new();
            let heap = heap(BARRIERS[turn % 4], turn % 3 + 1);
            let mut mutator = heap.attach();
            let root: Root<Rootable![common::Link<'_, common::Token>]> =
                mutator.enter(|mc| Root::new(mc, long_list(mc, drops.token())));
            ask(&mut mutator);
            // In another phase each time, from before the first step to the sweep.
            for _ in 0..turn * 20 {
                mutator.enter(|mc| {
                    Gc::new(mc, turn);
                });
            }
            drop((mutator, heap));
            assert_eq!(drops.count(), 1, "the end of the heap has dropped all");
            drop(root);
        }
        stop.store(true, Ordering::Relaxed);
        asking.join().unwrap();
    });
}

#[test]
fn two_heaps_may_own_each_others_last_handles() {
    for barrier in BARRIERS {
        let drops = Drops::new();
        let pair = [heap(barrier, 2), heap(barrier, 2)];
        let both_die = Arc::new(Meeting::new(2));
        for (heap, other) in [(0, 1), (1, 0)] {
            let (both_die, token) = (both_die.clone(), drops.token());
            let handle = pair[other].clone();
            on_drop(&mut pair[heap].attach(), move || {
                both_die.wait();
                drop(handle);
                drop(token);
            });
        }
        pair.iter().for_each(|heap| ask(&mut heap.attach()));
        drop(pair);
        wait_until("both heaps are gone", || drops.count() == 2);
    }
}
