//! What a sweep begins with, and how much it does at once.

use super::*;
use crate::{Gc, Root, Rootable};

/// An allocation that finds no memory, between the first span that is put on an unswept list and the sweep's epoch.
#[test]
fn nothing_is_swept_before_the_sweep_begins() {
    let heap = crate::Heap::builder().marker_threads(0).build().unwrap();
    let core = heap.core();
    let _root: Root<Rootable![[u64; 4]]> =
        heap.attach().enter(|mc| Root::new(mc, Gc::new(mc, [7; 4])));
    let pending = &core.counters.swept.pending;
    let classes: Vec<_> = core.space.classes.lock().all().to_vec();
    classes
        .iter()
        .for_each(|class| class.start_sweep(pending, false));
    let waiting = pending.load(Ordering::Relaxed);
    assert!(waiting > 0 && !core.sweep_all());
    assert_eq!(pending.load(Ordering::Relaxed), waiting);
}

/// Spans are swept together, but no more of them than asked for.
#[test]
fn a_sweep_keeps_to_its_budget() {
    fn swept_within<T: for<'gc> crate::Trace<'gc> + 'static>(
        make: impl Fn() -> T,
        budget: usize,
    ) -> usize {
        let heap = crate::Heap::builder().marker_threads(0).build().unwrap();
        let core = heap.core();
        heap.attach().enter(|mc| {
            for _ in 0..40 * PAGE / size_of::<[u64; 16]>() {
                Gc::new(mc, make());
            }
        });
        let _ = core.request_new_cycle();
        let mut driver = core.driver.lock();
        while core.phase() != crate::cycle::core::Phase::Sweeping {
            let _ = core.advance(&mut driver, &mut None, 1 << 20);
        }
        let pending = &core.counters.swept.pending;
        let before = pending.load(Ordering::Relaxed);
        core.sweep_some(budget);
        before - pending.load(Ordering::Relaxed)
    }
    for pages in [1, 3, 4, BATCH, 2 * BATCH] {
        let large = span_pages(32 << 10);
        assert!(swept_within(|| [7_u64; 4096], pages * PAGE) <= pages.div_ceil(large));
        assert_eq!(swept_within(|| [7_u64; 16], pages * PAGE), pages);
        assert_eq!(
            swept_within(|| (Box::new(7), [7_u64; 15]), pages * PAGE),
            pages
        );
    }
    assert_eq!(swept_within(|| [7_u64; 16], 1), 1);
}

/// Found to be so by who sweeps; then they wait for a mutator, and others do not.
#[test]
fn destructors_that_are_dear_are_left_out() {
    let heap = crate::Heap::builder().marker_threads(0).build().unwrap();
    let core = heap.core();
    let freed = || core.counters.swept.objects_freed.load(Ordering::Relaxed);
    let swept = |sweep: fn(&Core, usize) -> bool| {
        heap.attach().enter(|mc| {
            for number in 0..100_u64 {
                Gc::new(mc, vec![Box::new(number); 1000]);
                Gc::new(mc, Vec::<u64>::new());
                Gc::new(mc, [number; 3]);
            }
        });
        let _ = core.request_new_cycle();
        let mut driver = core.driver.lock();
        while core.phase() != crate::cycle::core::Phase::Sweeping {
            let _ = core.advance(&mut driver, &mut None, 1 << 20);
        }
        assert!(!sweep(core, usize::MAX));
        let first = freed();
        while core.phase() == crate::cycle::core::Phase::Sweeping {
            let _ = core.advance(&mut driver, &mut None, 1 << 20);
        }
        (first, freed())
    };
    let cheap =
        |core: &Core, budget| core.sweep_which(budget, Which::Cheap, &mut TimeLimit::none());
    let dear = |core: &Core, budget| core.sweep_which(budget, Which::Dear, &mut TimeLimit::none());
    assert_eq!(swept(cheap), (300, 300), "nobody knows");
    let (first, all) = swept(cheap);
    assert!((100..=200).contains(&first), "{first}");
    assert_eq!(all, 300);
    let (rest, all) = swept(dear);
    assert_eq!((rest + first, all), (300, 300), "the others");
    assert_eq!(swept(Core::sweep_some), (300, 300));
}

/// What is left to it is done when the next cycle is due, though it has room enough without.
#[test]
fn a_mutator_sweeps_in_proportion_to_what_it_allocates() {
    const ROOM: usize = 4 << 20;
    let builder = crate::Heap::builder().marker_threads(1).min_heap(1 << 30);
    let heap = builder.build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    mutator.enter(|mc| {
        for number in 0..50_000_u64 {
            Gc::new(mc, (Box::new(number), [number; 7]));
        }
    });
    let mut driver = core.driver.lock();
    core.request_cycle();
    while core.phase() != crate::cycle::core::Phase::Sweeping {
        let _ = core.advance(&mut driver, &mut None, 1 << 20);
    }
    let pending = || core.counters.swept.pending.load(Ordering::Relaxed);
    let all = pending();
    assert!(all > 100, "{all} spans");
    for class in core.space.classes.lock().all() {
        class.dear_drops.store(true, Ordering::Relaxed);
    }
    core.trigger
        .store(core.heap_now() + ROOM, Ordering::Relaxed);
    let mut charge = |bytes| mutator.enter(|mc| core.charge(mc.state(), bytes, 0));
    core.leaves_drops.store(false, Ordering::Relaxed);
    charge(ROOM / 8);
    assert_eq!(pending(), all, "the background sweeper does it");
    core.leaves_drops.store(true, Ordering::Relaxed);
    (0..ROOM / 2 / 4096).for_each(|_| charge(4096));
    let half = pending();
    assert!((all * 3 / 10..all / 2).contains(&half), "{half} of {all}");
    (0..ROOM / 4 / 4096).for_each(|_| charge(4096));
    assert!(pending() < all / 5, "{} of {all}", pending());
    core.leaves_drops.store(false, Ordering::Relaxed);
}

/// Says when it is dropped, and takes its time.
#[derive(crate::Trace)]
#[trace(skip, crate = crate)]
struct Slow(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_micros(500));
    }
}

/// A mutator whose time is over leaves the rest of a span to who comes next: what it has dropped is not dropped again, and what lives stays.
#[test]
fn a_sweep_that_stops_in_the_middle_of_a_span_goes_on_later() {
    const OBJECTS: usize = 100;
    let drops = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let heap = crate::Heap::builder().marker_threads(1).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    // No background thread does anything meanwhile.
    let mut driver = core.driver.lock();
    let mut kept: Vec<Root<Rootable![Slow]>> = Vec::new();
    mutator.enter(|mc| {
        for number in 0..OBJECTS {
            let object = Gc::new(mc, Slow(drops.clone()));
            if number % 4 == 0 {
                kept.push(Root::new(mc, object));
            }
        }
    });
    core.request_cycle();
    while core.phase() != crate::cycle::core::Phase::Sweeping {
        let _ = core.advance(&mut driver, &mut None, 1 << 20);
    }
    let classes: Vec<_> = core.space.classes.lock().all().to_vec();
    let class = classes.iter().find(|class| class.drops_here()).unwrap();
    let pending = || core.counters.swept.pending.load(Ordering::Relaxed);
    let freed = || core.counters.swept.objects_freed.load(Ordering::Relaxed);
    let (before, mut stops, mut spans) = (pending(), 0, Vec::new());
    while spans.is_empty() {
        let mut unswept = Vec::new();
        class.take_unswept(1, &mut unswept);
        assert_eq!(unswept.len(), 1);
        let mut time = TimeLimit::of(std::time::Duration::from_millis(5));
        core.sweep_to_fill(class, &mut unswept, &mut spans, &mut time);
        let dropped = drops.load(Ordering::Relaxed);
        assert_eq!(freed(), dropped as u64);
        assert_eq!(time.is_over(), spans.is_empty());
        if spans.is_empty() {
            stops += 1;
            let span = *class.lists.lock().unswept.last().unwrap();
            assert_eq!(span.free(), span.slots() - OBJECTS + dropped);
            assert_eq!(pending(), before);
        }
    }
    assert!(stops >= 3, "{stops}");
    let live = OBJECTS.div_ceil(4);
    assert_eq!(drops.load(Ordering::Relaxed), OBJECTS - live);
    assert_eq!(spans[0].free(), spans[0].slots() - live);
    assert_eq!(pending(), before - 1);
    class.put_all(&mut spans);
    drop(driver);
    let _ = mutator.collect();
    assert_eq!(drops.load(Ordering::Relaxed), OBJECTS - live);
    drop(kept);
    let _ = mutator.collect();
    assert_eq!(drops.load(Ordering::Relaxed), OBJECTS);
}

/// An allocation, which needs room, and a charge of what has been allocated: each drops one object, which takes longer than it has.
#[test]
fn a_mutator_drops_for_a_bounded_time() {
    let drops = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let heap = crate::Heap::builder().marker_threads(1).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let mut driver = core.driver.lock();
    let make = |mc: &crate::Mutation<'_>| {
        Gc::new(mc, Slow(drops.clone()));
    };
    mutator.enter(|mc| (0..100).for_each(|_| make(mc)));
    core.request_cycle();
    while core.phase() != crate::cycle::core::Phase::Sweeping {
        let _ = core.advance(&mut driver, &mut None, 1 << 20);
    }
    let dropped = || drops.load(Ordering::Relaxed);
    mutator.enter(make);
    assert_eq!(dropped(), 1);
    for class in core.space.classes.lock().all() {
        class.dear_drops.store(true, Ordering::Relaxed);
    }
    let mut charge = |room, leaves| {
        let trigger = core.heap_now() + room;
        core.trigger.store(trigger, Ordering::Relaxed);
        core.leaves_drops.store(leaves, Ordering::Relaxed);
        mutator.enter(|mc| core.charge(mc.state(), 1 << 20, 0));
        dropped()
    };
    assert_eq!(charge(0, false), 2, "the next cycle is due");
    assert_eq!(charge(2 << 20, true), 3, "it is not");
    assert_eq!(charge(2 << 20, false), 3);
    drop(driver);
    let _ = mutator.collect();
    assert_eq!(dropped(), 101);
}
