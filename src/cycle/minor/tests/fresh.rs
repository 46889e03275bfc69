//! What is allocated black, in a cycle that marks at this moment.

use std::sync::Arc;
use std::sync::mpsc::channel;

use super::{Link, Node, any_cycle, garbage, heap, list};
use crate::cycle::command::Mode;
use crate::cycle::core::Phase;
use crate::cycle::driver::{Advance, Stage};
use crate::mark::batch::Way;
use crate::mark::batch::tests::with_way;
use crate::stats::CycleStats;
use crate::{Barrier, Gc, GcRefCell, GcSlot, Heap, Mutation, Mutator, Root, Rootable, Trace};

/// A cycle that may be minor marks while `mutator` runs `program`, whose new objects are black. What it did.
fn beside<R>(
    heap: &Heap,
    mutator: &mut Mutator,
    program: impl FnOnce(&Mutation<'_>) -> R,
) -> CycleStats {
    // Or what survives is most of what there is, and the next cycle is full.
    garbage(mutator, 16 << 10);
    let core = heap.core();
    core.request_any_cycle();
    let before = core.status.lock().completed;
    while core.phase() != Phase::Marking {
        let _ = core.advance(&mut core.driver.lock(), &mut None, 1);
    }
    mutator.enter(|mc| {
        assert!(mc.state().command.get().black().is_some());
        program(mc);
    });
    // The mutator's boundary may have driven it to its end.
    while core.status.lock().completed == before {
        let _ = core.step(1 << 30);
    }
    core.status.lock().last.clone()
}

/// A list of so many links.
fn links<'gc>(mc: &Mutation<'gc>, number: u64) -> Gc<'gc, Link<'gc>> {
    let list = (0..number).fold(None, |list, _| Some(Gc::new(mc, Link(list))));
    list.unwrap()
}

/// Barriers under which new objects are black while a cycle marks.
const BLACK: [Barrier; 2] = [Barrier::Deletion, Barrier::Hybrid];

/// They would wait for a full cycle, and a fast mutator makes many of them.
#[test]
fn what_is_allocated_black_is_young_in_the_next_cycle() {
    for barrier in BLACK {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let _old = list(&mut mutator, 10, None);
        let _ = any_cycle(&heap);
        for round in 0..3 {
            let with_it = beside(&heap, &mut mutator, |mc| {
                links(mc, 100);
            });
            assert_eq!((with_it.objects_live, with_it.minor), (110, true));
            let after = any_cycle(&heap);
            assert_eq!((after.objects_live, after.objects_freed), (10, 100));
            assert!(after.minor, "{barrier}, round {round}");
        }
    }
}

/// No minor cycle looks at spans that are full of old objects; these are full of young ones.
#[test]
fn spans_full_of_what_is_allocated_black_are_swept_by_the_next_cycle() {
    for barrier in BLACK {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let _ = any_cycle(&heap);
        let with_them = beside(&heap, &mut mutator, |mc| {
            links(mc, 3000);
        });
        assert_eq!(with_them.objects_live, 3000, "{barrier}");
        let after = any_cycle(&heap);
        assert!(after.minor, "{barrier}");
        assert_eq!((after.objects_live, after.objects_freed), (0, 3000));
    }
}

/// An old object leads to it, and to nothing that is younger.
#[test]
fn what_is_allocated_black_becomes_old_when_a_marker_comes_to_it() {
    for barrier in BLACK {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let holder: Root<Rootable![GcSlot<Option<Gc<'_, Link<'_>>>>]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcSlot::new(None))));
        let _ = any_cycle(&heap);
        let marked = beside(&heap, &mut mutator, |mc| {
            holder.get(mc).set(mc, Some(links(mc, 10)));
        });
        assert!(marked.minor);
        assert_eq!((marked.objects_marked, marked.objects_live), (10, 11));
        let core = heap.core();
        mutator.enter(|mc| {
            let first = holder.get(mc).get().unwrap();
            let address = core::ptr::from_ref(first.as_ref()).addr();
            let cycle = core.number();
            let is_written = core.cards.is_written(address, address + 1, cycle);
            assert!(!is_written, "{barrier}: a link does not change");
        });
        let after = any_cycle(&heap);
        assert_eq!((after.objects_marked, after.objects_live), (0, 11));
        // Its slots would be used again.
        let _other = list(&mut mutator, 100, None);
        mutator.enter(|mc| {
            let mut next = holder.get(mc).get();
            let links = core::iter::from_fn(|| {
                let link = next?;
                next = link.0;
                Some(())
            });
            assert_eq!(links.count(), 10, "{barrier}");
        });
    }
}

/// A mutator that adds to a list must not lead a marker on.
#[test]
fn what_is_allocated_black_and_can_change_is_scanned_in_the_next_cycle() {
    for barrier in BLACK {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let first: Root<Rootable![Node<'_>]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, Node(GcSlot::new(None)))));
        let _ = any_cycle(&heap);
        let first = beside(&heap, &mut mutator, |mc| {
            let mut last = first.get(mc);
            for _ in 0..10 {
                let next = Gc::new(mc, Node(GcSlot::new(None)));
                last.0.set(mc, Some(next));
                last = next;
            }
        });
        // One edge leads to the new ones in the first cycle.
        let second = beside(&heap, &mut mutator, |_| ());
        let third = any_cycle(&heap);
        let marked = [&first, &second, &third].map(|cycle| cycle.objects_marked);
        assert_eq!(marked, [0, 9, 0], "{barrier}");
        let live = [&first, &second, &third].map(|cycle| cycle.objects_live);
        assert_eq!(live, [11; 3], "{barrier}");
        assert!(third.minor);
    }
}

/// It is garbage to the next cycle, which does not look into it.
#[test]
fn the_slot_of_what_was_never_made_is_no_object() {
    for barrier in BLACK {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let _old = list(&mut mutator, 10, None);
        let _ = any_cycle(&heap);
        let with_it = beside(&heap, &mut mutator, |mc| {
            let made = crate::panic::contain(|| {
                Gc::slice_from_fn(mc, 2, |index| {
                    assert_eq!(index, 0);
                    GcSlot::new(Some(Gc::new(mc, [1, 2])))
                });
            });
            assert!(made.is_err());
        });
        assert_eq!(with_it.objects_live, 12);
        let after = any_cycle(&heap);
        assert_eq!((after.objects_marked, after.objects_live), (0, 10));
        assert!(after.minor);
    }
}

/// The colour comes again in the next cycle but one, and of an abandoned cycle nobody has scanned what has it.
#[test]
fn what_was_allocated_black_beside_an_abandoned_cycle_is_scanned_later() {
    for barrier in BLACK {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let mut kept: Option<Root<Rootable![Node<'_>]>> = None;
        for _ in 0..2 {
            let cycle = beside(&heap, &mut mutator, |mc| {
                let new = || Root::new(mc, Gc::new(mc, Node(GcSlot::new(None))));
                kept.get_or_insert_with(new);
                heap.core().abandon_cycle(None);
            });
            assert!(cycle.abandoned);
        }
        let kept = kept.unwrap();
        mutator.enter(|mc| {
            let white = Gc::new(mc, Node(GcSlot::new(None)));
            kept.get(mc).0.set(mc, Some(white));
        });
        assert_eq!(mutator.collect().objects_live, 2, "{barrier}");
    }
}

/// While an early object is built in its slot, others may have begun to allocate black: what is put into a
/// cell on the stack, which counts as scanned from then on, is fresh, and the cell moves into the early object.
#[test]
fn a_cell_that_moves_into_an_early_object_keeps_what_is_fresh() {
    #[derive(Trace)]
    #[trace(crate = crate)]
    struct Holder<'gc>(GcRefCell<Option<Gc<'gc, Arc<()>>>>);
    let heap = heap(Heap::builder());
    let (core, mut mutator, canary) = (heap.core(), heap.attach(), Arc::new(()));
    let shared: Root<Rootable![GcSlot<Option<Gc<'_, Arc<()>>>>]> =
        mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcSlot::new(None))));
    let _ = any_cycle(&heap);
    garbage(&mut mutator, 64 << 10);
    core.request_any_cycle();
    let advance = || core.advance(&mut core.driver.lock(), &mut None, 1);
    let _ = advance();
    assert!(matches!(core.driver.lock().stage, Stage::Arm { .. }));
    let ((tell, told), (say, said)) = (channel(), channel());
    let holder: Root<Rootable![Holder<'_>]> = std::thread::scope(|scope| {
        let (shared, canary, heap) = (&shared, canary.clone(), &heap);
        scope.spawn(move || {
            let mut late = heap.attach();
            late.enter(|mc| {
                assert_eq!(mc.state().mode.get(), Mode::Grey);
                say.send(()).unwrap();
                told.recv().unwrap();
            });
            late.enter(|mc| {
                assert!(mc.state().command.get().black().is_some());
                shared.get(mc).set(mc, Some(Gc::new(mc, canary)));
                say.send(()).unwrap();
            });
        });
        said.recv().unwrap();
        while advance() == Advance::Progress {}
        mutator.enter(|mc| {
            assert_eq!(mc.state().mode.get(), Mode::Black);
            let holder = Gc::new_cyclic(mc, |_| {
                tell.send(()).unwrap();
                said.recv().unwrap();
                let cell = GcRefCell::new(None);
                *cell.borrow_mut(mc) = shared.get(mc).swap(mc, None);
                Holder(cell)
            });
            Root::new(mc, holder)
        })
    });
    // The mutator's boundary may have driven it to its end.
    while core.phase() != Phase::Idle {
        let _ = core.step(1 << 30);
    }
    let after = any_cycle(&heap);
    assert!(after.minor);
    assert_eq!(Arc::strong_count(&canary), 2, "its holder lives");
    mutator.enter(|mc| assert!(holder.get(mc).0.borrow().is_some()));
}

/// All of the above.
#[test]
fn it_is_the_same_whichever_way_edges_are_followed() {
    for way in [Way::Marks, Way::Plain] {
        with_way(way, what_is_allocated_black_is_young_in_the_next_cycle);
        with_way(
            way,
            spans_full_of_what_is_allocated_black_are_swept_by_the_next_cycle,
        );
        with_way(
            way,
            what_is_allocated_black_becomes_old_when_a_marker_comes_to_it,
        );
        with_way(
            way,
            what_is_allocated_black_and_can_change_is_scanned_in_the_next_cycle,
        );
        with_way(way, the_slot_of_what_was_never_made_is_no_object);
        with_way(
            way,
            what_was_allocated_black_beside_an_abandoned_cycle_is_scanned_later,
        );
        with_way(
            way,
            a_cell_that_moves_into_an_early_object_keeps_what_is_fresh,
        );
    }
}
