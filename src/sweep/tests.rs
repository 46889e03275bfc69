//! What a sweep begins with, and how much it does at once.

use super::*;
use crate::cycle::core::Phase;
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
        while core.phase() != Phase::Sweeping {
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
    let heap = crate::Heap::builder().marker_threads(1).build().unwrap();
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
        // No background thread does anything meanwhile.
        let mut driver = core.driver.lock();
        core.request_cycle();
        while core.phase() != Phase::Sweeping {
            let _ = core.advance(&mut driver, &mut None, 1 << 20);
        }
        assert!(!sweep(core, usize::MAX));
        let first = freed();
        while core.phase() == Phase::Sweeping {
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

/// A mutator has made what it frees, and frees it faster than others: what it takes says nothing of them, and they would take all of it next.
#[test]
fn a_mutators_share_does_not_tell_how_long_destructors_take() {
    let heap = crate::Heap::builder().marker_threads(1).build().unwrap();
    let core = heap.core();
    let mut driver = core.driver.lock();
    let mut within_a_second_after = |which| {
        heap.attach().enter(|mc| {
            // There is nothing to free in them.
            (0..100).for_each(|_| _ = Gc::new(mc, Vec::<u64>::new()));
        });
        core.request_cycle();
        let mut advance_to = |phase| {
            while core.phase() != phase {
                let _ = core.advance(&mut driver, &mut None, 1 << 20);
            }
        };
        advance_to(Phase::Sweeping);
        let classes = core.space.classes.lock().all().to_vec();
        let class = classes.iter().find(|class| class.drops_here()).unwrap();
        let second = std::time::Duration::from_secs(1);
        class.drop_time.note(100, second);
        let _ = core.sweep_which(usize::MAX, which, &mut TimeLimit::none());
        assert!(class.lists.lock().unswept.is_empty());
        let within_a_second = class.drop_time.objects_within(second);
        advance_to(Phase::Idle);
        within_a_second
    };
    assert_eq!(within_a_second_after(Which::Dear), 100);
    assert!(within_a_second_after(Which::All) > 1000);
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
    while core.phase() != Phase::Sweeping {
        let _ = core.advance(&mut driver, &mut None, 1 << 20);
    }
    let pending = || core.counters.swept.pending.load(Ordering::Relaxed);
    let all = pending();
    assert!(all > 100, "{all} spans");
    for class in core.space.classes.lock().all() {
        class
            .drop_time
            .note(100, std::time::Duration::from_micros(100));
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
    const DEAD: usize = 100;
    const OBJECTS: usize = 120;
    let drops = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let heap = crate::Heap::builder().marker_threads(1).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    // No background thread does anything meanwhile.
    let mut driver = core.driver.lock();
    let mut kept: Vec<Root<Rootable![Slow]>> = Vec::new();
    let mut make = |numbers: core::ops::Range<usize>| {
        mutator.enter(|mc| {
            for number in numbers {
                let object = Gc::new(mc, Slow(drops.clone()));
                if number % 4 == 0 && number < DEAD {
                    kept.push(Root::new(mc, object));
                }
            }
        });
    };
    make(0..DEAD);
    core.request_cycle();
    let mut advance_to = |phase| {
        while core.phase() != phase {
            let _ = core.advance(&mut driver, &mut None, 1 << 20);
        }
    };
    advance_to(Phase::Marking);
    // Black, and not marked: they live through this cycle.
    make(DEAD..OBJECTS);
    advance_to(Phase::Sweeping);
    let classes: Vec<_> = core.space.classes.lock().all().to_vec();
    let class = classes.iter().find(|class| class.drops_here()).unwrap();
    let pending = || core.counters.swept.pending.load(Ordering::Relaxed);
    let freed = || core.counters.swept.objects_freed.load(Ordering::Relaxed);
    let (before, mut stops, mut spans) = (pending(), 0, Vec::new());
    while spans.is_empty() {
        let mut unswept = Vec::new();
        class.take_unswept(1, &mut unswept);
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
    let dropped = || drops.load(Ordering::Relaxed);
    let live = DEAD.div_ceil(4) + OBJECTS - DEAD;
    assert_eq!(dropped(), OBJECTS - live);
    assert_eq!(spans[0].free(), spans[0].slots() - live);
    assert_eq!(pending(), before - 1);
    class.put_all(&mut spans);
    drop(driver);
    let _ = mutator.collect();
    assert_eq!(dropped(), OBJECTS - kept.len());
    drop(kept);
    let _ = mutator.collect();
    assert_eq!(dropped(), OBJECTS);
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
    while core.phase() != Phase::Sweeping {
        let _ = core.advance(&mut driver, &mut None, 1 << 20);
    }
    let dropped = || drops.load(Ordering::Relaxed);
    mutator.enter(make);
    assert_eq!(dropped(), 1);
    for class in core.space.classes.lock().all() {
        class
            .drop_time
            .note(100, std::time::Duration::from_micros(100));
    }
    let mut charge = |room, leaves| {
        let trigger = core.heap_now() + room;
        core.trigger.store(trigger, Ordering::Relaxed);
        core.leaves_drops.store(leaves, Ordering::Relaxed);
        mutator.enter(|mc| {
            core.charge(mc.state(), 1 << 20, 0);
            (dropped(), mc.state().sweep_owed.get())
        })
    };
    let (first, owed) = charge(1 << 20, false);
    assert_eq!(first, 2, "the next cycle is due");
    assert!(owed >= 16 << 10, "{owed}");
    let (second, owed) = charge(3 << 19, true);
    assert_eq!(second, 3, "it is not");
    assert!(owed >= 16 << 10, "{owed}");
    assert_eq!(charge(3 << 19, false).0, 3);
    drop(driver);
    let _ = mutator.collect();
    assert_eq!(dropped(), 101);
}

/// Each is a span of its own, and freed when its object has been dropped, whatever the time says.
#[test]
fn large_objects_are_dropped_for_a_bounded_time() {
    let drops = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let heap = crate::Heap::builder().marker_threads(1).build().unwrap();
    let core = heap.core();
    let mut driver = core.driver.lock();
    heap.attach().enter(|mc| {
        for _ in 0..3 {
            Gc::new(mc, (Slow(drops.clone()), [0_u64; 8192]));
        }
    });
    core.request_cycle();
    while core.phase() != Phase::Sweeping {
        let _ = core.advance(&mut driver, &mut None, 1 << 20);
    }
    let before = core.space.in_use();
    for dropped in 1..=3 {
        let mut time = TimeLimit::of(std::time::Duration::from_micros(1));
        let more = core.sweep_which(usize::MAX, Which::All, &mut time);
        assert!(more && time.is_over());
        assert_eq!(drops.load(Ordering::Relaxed), dropped);
        let freed = before - core.space.in_use();
        assert!(freed >= dropped << 16, "{freed}");
    }
}

/// Nobody else drops what is left where there is no background thread, and where memory is short nobody should wait for it.
#[test]
fn drops_have_a_limit_only_where_others_see_to_the_rest() {
    const MAX: usize = 64 << 20;
    let ends = |markers, external| {
        let heap = crate::Heap::builder().marker_threads(markers);
        let heap = heap.max_heap(MAX).build().unwrap();
        heap.core().account(external as isize);
        let mut time = heap.core().time_to_drop();
        time.begin();
        std::thread::sleep(std::time::Duration::from_millis(20));
        time.ends_after_drop()
    };
    assert_eq!(
        [ends(1, 0), ends(0, 0), ends(1, MAX / 2 + 1)],
        [true, false, false]
    );
}
