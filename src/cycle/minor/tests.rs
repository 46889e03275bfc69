//! Which cycles are minor, and what these mark and free. Nothing here is concurrent: the models are in `loom_tests::minor`.

use super::*;
use crate::cycle::core::Phase;
use crate::heap::type_info::{Cells, InfoOf, TypeInfo};
use crate::stats::CycleStats;
use crate::sync::atomic::AtomicBool;
use crate::{Barrier, Gc, GcSlot, Heap, HeapBuilder, Mutator, Root, Rootable, Static, Trace};

mod fresh;
mod written;

/// An immutable list.
#[derive(Trace)]
#[trace(crate = crate)]
struct Link<'gc>(Option<Gc<'gc, Self>>);

/// The same, mutable.
#[derive(Trace)]
#[trace(crate = crate)]
struct Node<'gc>(GcSlot<Option<Gc<'gc, Self>>>);

const _: () = assert!(Link::IMMUTABLE && !Node::IMMUTABLE);

type List = Root<Rootable![Link<'_>]>;

const BARRIERS: [Barrier; 4] = [
    Barrier::Insertion,
    Barrier::Deletion,
    Barrier::Hybrid,
    Barrier::StopTheWorld,
];

/// A heap whose cycles are driven by [`any_cycle`] and `collect`.
fn heap(builder: HeapBuilder) -> Heap {
    builder.marker_threads(0).build().unwrap()
}

/// One in which a minor cycle can come early, before [`EARLY`], or be put off, beyond [`LATE`].
fn roomy() -> Heap {
    heap(Heap::builder().min_heap(4 * NURSERY))
}

const EARLY: usize = NURSERY + (1 << 20);
const LATE: usize = NURSERY + (2 << 20);

/// Runs the cycle that is wanted; what it did.
fn run(heap: &Heap) -> CycleStats {
    let core = heap.core();
    let before = core.status.lock().completed;
    while core.status.lock().completed == before {
        let _ = core.step(1 << 30);
    }
    core.status.lock().last.clone()
}

/// Runs a cycle that may be minor.
fn any_cycle(heap: &Heap) -> CycleStats {
    heap.core().request_any_cycle();
    run(heap)
}

/// A list of so many links before `rest`.
fn list(mutator: &mut Mutator, links: u64, rest: Option<&List>) -> List {
    mutator.enter(|mc| {
        let rest = rest.map(|rest| rest.get(mc));
        let list = (0..links).fold(rest, |list, _| Some(Gc::new(mc, Link(list))));
        Root::new(mc, list.unwrap())
    })
}

fn garbage(mutator: &mut Mutator, bytes: usize) {
    mutator.enter(|mc| {
        for _ in 0..bytes / 1024 {
            Gc::new(mc, [0_u8; 1024]);
        }
    });
}

#[test]
fn a_minor_cycle_marks_what_is_new() {
    for barrier in BARRIERS {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let old = list(&mut mutator, 1000, None);
        let first = any_cycle(&heap);
        assert!(!first.minor, "{barrier}: nothing is old yet");
        assert_eq!((first.objects_marked, first.objects_live), (1000, 1000));
        let _new = list(&mut mutator, 10, Some(&old));
        garbage(&mut mutator, 10 << 10);
        let second = any_cycle(&heap);
        assert!(second.minor, "{barrier}");
        let found = (second.objects_marked, second.objects_live);
        assert_eq!(found, (10, 1010), "{barrier}");
        assert_eq!(second.objects_freed, 10, "{barrier}");
        assert_eq!(heap.stats().cycles_minor, 1);
        let third = any_cycle(&heap);
        assert!(third.minor && third.objects_marked == 0, "{barrier}");
        assert_eq!(third.objects_live, 1010, "{barrier}");
    }
}

/// Spans that are full of immutable old objects stay out of minor cycles, and are in their figures.
#[test]
fn what_is_in_old_spans_is_counted_once() {
    for barrier in BARRIERS {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let _old = list(&mut mutator, 10_000, None);
        let full = mutator.collect();
        for _ in 0..3 {
            let minor = any_cycle(&heap);
            assert!(minor.minor, "{barrier}");
            assert_eq!(minor.objects_live, 10_000, "{barrier}");
            assert_eq!(minor.heap_live, full.heap_live, "{barrier}");
        }
        assert_eq!(mutator.collect().objects_live, 10_000, "{barrier}");
    }
}

/// The sweep of a minor cycle looks through no span in which all is old; but through those from which something has been allocated since.
#[test]
fn what_is_allocated_beside_old_objects_is_freed() {
    for barrier in BARRIERS {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let old = list(&mut mutator, 100, None);
        let _ = any_cycle(&heap);
        for _ in 0..3 {
            drop(list(&mut mutator, 10, None));
            let minor = any_cycle(&heap);
            assert!(minor.minor, "{barrier}");
            let found = (minor.objects_freed, minor.objects_live);
            assert_eq!(found, (10, 100), "{barrier}");
        }
        let nothing = any_cycle(&heap);
        let found = (nothing.objects_freed, nothing.objects_live);
        assert_eq!(found, (0, 100), "{barrier}");
        let _ = mutator.collect();
        drop(old);
        assert_eq!(mutator.collect().objects_freed, 100, "{barrier}");
    }
}

/// What waits for its destructor is not old, so its span is swept again.
#[test]
fn slots_of_what_was_dropped_at_home_are_free_after_a_minor_cycle() {
    type Local = Static<std::rc::Rc<u64>>;
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let _kept: Root<Rootable![Local]> = mutator.enter(|mc| {
        for number in 0..10 {
            Gc::new(mc, Static(std::rc::Rc::new(number)));
        }
        Root::new(mc, Gc::new(mc, Static(std::rc::Rc::new(10))))
    });
    let full = mutator.collect();
    assert_eq!((full.objects_live, full.objects_freed), (1, 10));
    mutator.enter(|_| {});
    let minor = any_cycle(&heap);
    assert!(minor.minor);
    assert_eq!(minor.heap_live, full.heap_live - 10 * 16);
}

#[test]
fn old_garbage_is_freed_by_the_next_full_cycle() {
    for barrier in BARRIERS {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let dropped = list(&mut mutator, 1000, None);
        let kept = list(&mut mutator, 10, None);
        let _ = any_cycle(&heap);
        drop(dropped);
        let minor = any_cycle(&heap);
        assert!(minor.minor && minor.objects_freed == 0, "{barrier}");
        let full = mutator.collect();
        assert!(!full.minor, "{barrier}");
        assert_eq!((full.objects_freed, full.objects_marked), (1000, 10));
        assert_eq!(full.objects_live, 10);
        drop(kept);
    }
}

#[test]
fn collect_is_full() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    assert!(!any_cycle(&heap).minor && any_cycle(&heap).minor);
    assert!(!mutator.collect().minor);
    assert!(any_cycle(&heap).minor);
    // Somebody has asked for the next cycle, which may be minor, already.
    heap.core().request_any_cycle();
    assert!(!mutator.collect().minor);
    heap.core().request_cycle();
    assert!(!run(&heap).minor);
}

#[test]
fn an_old_object_may_get_a_pointer_to_a_new_one() {
    for barrier in BARRIERS {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let root: Root<Rootable![Node<'_>]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, Node(GcSlot::new(None)))));
        let _ = any_cycle(&heap);
        for nodes in 1..5 {
            mutator.enter(|mc| {
                let first = root.get(mc);
                let new = Gc::new(mc, Node(GcSlot::new(first.0.get())));
                first.0.set(mc, Some(new));
            });
            let minor = any_cycle(&heap);
            assert!(minor.minor, "{barrier}");
            assert_eq!((minor.objects_marked, minor.objects_live), (1, 1 + nodes));
        }
    }
}

#[test]
fn the_cycle_after_an_abandoned_one_is_full() {
    let heap = heap(Heap::builder());
    let core = heap.core();
    let _ = any_cycle(&heap);
    assert!(any_cycle(&heap).minor);
    core.request_any_cycle();
    let mut driver = core.driver.lock();
    while core.phase() != Phase::Marking {
        let _ = core.advance(&mut driver, &mut None, 1);
    }
    core.abandon_cycle(None);
    drop(driver);
    let abandoned = run(&heap);
    assert!(abandoned.minor && abandoned.abandoned);
    assert!(!any_cycle(&heap).minor);
    assert!(any_cycle(&heap).minor);
}

#[test]
fn full_cycles_come_when_the_room_has_been_allocated_often() {
    let heap = heap(Heap::builder().min_heap(1 << 20));
    let core = heap.core();
    let mut mutator = heap.attach();
    let _ = any_cycle(&heap);
    let room = || {
        let driver = core.driver.lock();
        let g = &driver.generation;
        ((g.goal - g.live) as u64, g.allocated)
    };
    let ((room, before), mut minor) = (room(), 0);
    while any_cycle(&heap).minor {
        minor += 1;
        garbage(&mut mutator, room as usize / 2);
        assert!(minor < 1000);
    }
    let allocated = heap.stats().bytes_allocated - before;
    assert!(
        minor >= MOST && allocated > MOST * room,
        "{minor} of {room} bytes"
    );
    assert!(
        allocated <= (MOST + 2) * room,
        "{allocated} of {room} bytes"
    );
}

#[test]
fn full_cycles_come_when_much_has_been_kept() {
    let heap = heap(Heap::builder().min_heap(1 << 20));
    let mut mutator = heap.attach();
    let _ = any_cycle(&heap);
    let (goal, live) = {
        let g = &heap.core().driver.lock().generation;
        (g.goal, g.live)
    };
    let slot = InfoOf::<Link<'_>>::SLOT;
    let mut lists = Vec::new();
    let mut minor = 0;
    while any_cycle(&heap).minor {
        minor += 1;
        lists.push(list(&mut mutator, ((goal - live) / 10 / slot) as u64, None));
        // Otherwise most of what is new survives, which is another reason.
        garbage(&mut mutator, (goal - live) / 5);
        assert!(minor < 100);
    }
    assert!(
        (4..=8).contains(&minor),
        "{minor} cycles kept a tenth of the room each"
    );
}

/// With what it owns: strings of more than half the room, which take next to none of the heap.
#[test]
fn what_is_kept_counts_with_what_it_owns() {
    let heap = heap(Heap::builder().min_heap(1 << 20));
    let mut mutator = heap.attach();
    let room = || {
        let g = &heap.core().driver.lock().generation;
        g.goal - g.live
    };
    let _ = mutator.collect();
    let length = room() / 300;
    let mut keep = |strings| -> Vec<Root<Rootable![String]>> {
        let make = |_| mutator.enter(|mc| Root::new(mc, Gc::new(mc, "x".repeat(length))));
        let kept = (0..strings).map(make).collect();
        garbage(&mut mutator, room() / 5);
        kept
    };
    // Samples.
    drop(keep(1000));
    let _ = any_cycle(&heap);
    let _ = heap.collect();
    let few = keep(100);
    assert!(any_cycle(&heap).minor);
    let many = keep(100);
    let cycle = any_cycle(&heap);
    let kept = few.len() + many.len();
    assert!(!cycle.minor, "{kept} strings: {cycle}, {}", heap.stats());
}

/// Where the young survive, more and more full cycles come before the next minor one.
#[test]
fn minor_cycles_are_given_up_where_they_save_nothing() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let mut lists = Vec::new();
    let mut minor = Vec::new();
    for _ in 0..20 {
        minor.push(any_cycle(&heap).minor);
        lists.push(list(&mut mutator, 10_000, None));
    }
    let full: Vec<usize> = minor.split(|minor| *minor).map(<[bool]>::len).collect();
    assert_eq!(full, [1, 1, 2, 4, 8], "{minor:?}");
}

/// What minor cycles have kept would stay for ever in a heap that nobody allocates from.
#[test]
fn an_idle_heap_after_a_minor_cycle_wants_a_full_one() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let dropped = list(&mut mutator, 100, None);
    let _ = any_cycle(&heap);
    drop(dropped);
    assert!(any_cycle(&heap).minor);
    let long_ago = std::time::Instant::now().checked_sub(std::time::Duration::from_secs(60));
    assert!(heap.core().idle_work(long_ago.unwrap()));
    let full = run(&heap);
    assert_eq!((full.minor, full.objects_freed), (false, 100));
    assert!(!heap.core().idle_work(long_ago.unwrap()));
}

/// Plain data is never noted, whatever becomes of it.
#[test]
fn a_panic_in_the_making_of_plain_data_costs_nothing() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let _ = any_cycle(&heap);
    let made = crate::panic::contain(|| {
        mutator.enter(|mc| Gc::slice_from_fn(mc, 2, |_| -> u64 { panic!("told to") }).len());
    });
    assert!(made.is_err() && any_cycle(&heap).minor);
}

#[test]
fn a_heap_may_have_none() {
    let heap = heap(Heap::builder().minor_cycles(false));
    let mut mutator = heap.attach();
    let _list = list(&mut mutator, 100, None);
    for _ in 0..3 {
        let cycle = any_cycle(&heap);
        assert!(!cycle.minor);
        assert_eq!(cycle.objects_marked, 100);
    }
    assert!(heap.core().noted.is_lost(), "nobody notes anything");
}

#[test]
fn a_heap_that_is_more_than_half_full_has_none() {
    for (max, minor) in [(64 << 20, false), (1 << 30, true)] {
        let heap = heap(Heap::builder().max_heap(max));
        let mut mutator = heap.attach();
        let _ = any_cycle(&heap);
        assert!(any_cycle(&heap).minor);
        heap.account(33 << 20);
        // From here on it is no part of what minor cycles have kept.
        let _ = mutator.collect();
        assert_eq!(any_cycle(&heap).minor, minor);
        heap.account(-(33 << 20));
    }
}

/// A full cycle must not begin where a minor one would have.
#[test]
fn cycles_come_early_where_they_will_be_minor_by_then() {
    for (external, early) in [(10 << 20, true), (30 << 20, false)] {
        let heap = heap(Heap::builder().max_heap(64 << 20));
        let mut mutator = heap.attach();
        heap.account(external);
        let _ = mutator.collect();
        let ahead = heap.stats().trigger - external as usize;
        assert_eq!(ahead <= NURSERY + (1 << 20), early, "{ahead} bytes ahead");
        heap.account(-external);
    }
}

/// A cycle goes through all of them.
#[test]
fn roots_put_minor_cycles_off() {
    let heap = roomy();
    let mut mutator = heap.attach();
    let _roots: Vec<Root<Rootable![u64]>> = mutator.enter(|mc| {
        let one = Gc::new(mc, 1);
        (0..400_000).map(|_| Root::new(mc, one)).collect()
    });
    let _ = any_cycle(&heap);
    assert!(heap.stats().trigger > LATE, "{}", heap.stats());
    // Until it has turned out that they stay.
    let _ = any_cycle(&heap);
    assert!(heap.stats().trigger < EARLY, "{}", heap.stats());
}

/// Whoever else makes cycles go on: minor ones may have followed before it looks.
#[test]
fn collect_returns_the_figures_of_a_full_cycle() {
    let heap = heap(Heap::builder());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                heap.core().request_any_cycle();
                let _ = heap.core().step(1 << 30);
            }
        });
        let minor = (0..3000).filter(|_| heap.collect().minor).count();
        over.store(true, Ordering::Relaxed);
        assert_eq!(minor, 0);
    });
}

/// A mutator may give back what it was charged for before the last full cycle ended.
#[test]
fn what_was_allocated_in_a_sweep_may_be_given_back() {
    let heap = heap(Heap::builder());
    let core = heap.core();
    let mut mutator = heap.attach();
    let _ = core.request_new_cycle();
    let mut driver = core.driver.lock();
    while core.phase() != Phase::Sweeping {
        let _ = core.advance(&mut driver, &mut None, 1);
    }
    drop(driver);
    mutator.enter(|mc| Gc::new(mc, [0_u8; 1024]).len());
    // Perhaps at that boundary already.
    while core.phase() != Phase::Idle {
        let _ = core.step(1 << 30);
    }
    drop(mutator);
    assert!(any_cycle(&heap).minor);
}

#[test]
fn mutable_and_immutable_types_share_no_span() {
    let info: &TypeInfo = InfoOf::<Link<'_>>::info();
    assert!(!info.is_mutable() && InfoOf::<Node<'_>>::info().is_mutable());
    let mutable = TypeInfo {
        cells: Cells::Elsewhere,
        ..*info
    };
    let again = TypeInfo { ..*info };
    assert!(info.same(&again) && !info.same(&mutable));
    assert!(!InfoOf::<u64>::info().is_mutable(), "nothing to scan");
    assert!(InfoOf::<[GcSlot<Option<Gc<'_, u64>>>]>::slice_info().is_mutable());
    assert!(!InfoOf::<[Gc<'_, u64>]>::slice_info().is_mutable());
}
