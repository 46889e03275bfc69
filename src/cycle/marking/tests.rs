//! Marking: cycles that are abandoned, and mutators that help.

use crate::config::mix;
use crate::cycle::core::{Core, Phase};
use crate::cycle::driver::{Advance, Driver};
use crate::cycle::marking::Marking;
use crate::mark::batch::Way;
use crate::mark::batch::tests::with_way;
use crate::mark::marker::Marker;
use crate::mark::worklist::Take;
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;
use crate::{Barrier, Gc, GcSlot, Heap, Mutator, Root, Rootable, Trace};

#[derive(Trace)]
#[trace(crate = crate)]
struct Link<'gc>(Option<Gc<'gc, Self>>);

/// A cycle marks, with a marker of the caller's.
fn begins_to_mark(core: &Core) -> (MutexGuard<'_, Driver>, Option<Marker>) {
    let (mut driver, mut marker) = (core.driver.lock(), None);
    core.wanted.store(1, Ordering::Relaxed);
    while marker.is_none() {
        assert!(core.advance(&mut driver, &mut marker, 64) != Advance::Idle);
    }
    (driver, marker)
}

/// A thread drives from one cycle into the next, which has been asked for: what it marked with for the first, which was abandoned
/// in the middle of its marking, must not mark for the second, for which all that the first has found counts as not found.
#[test]
fn the_cycle_after_an_abandoned_one_has_markers_of_its_own() {
    const LINKS: u64 = 1000;
    for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.build().unwrap();
        let _list: Root<Rootable![Link<'_>]> = heap.attach().enter(|mc| {
            let last = Gc::new(mc, Link(None));
            let list = (1..LINKS).fold(last, |list, _| Gc::new(mc, Link(Some(list))));
            Root::new(mc, list)
        });
        let core = heap.core();
        let (mut driver, mut marker) = begins_to_mark(core);
        core.abandon_cycle(None);
        core.wanted.store(2, Ordering::Relaxed);
        while core.advance(&mut driver, &mut marker, 64) != Advance::Idle {}
        drop(driver);
        let stats = heap.stats();
        let (cycles, abandoned) = (stats.cycles, stats.cycles_abandoned);
        assert_eq!((cycles, abandoned, stats.objects_freed), (2, 1, 0));
        let marked = core.counters.objects_marked.load(Ordering::Relaxed);
        assert_eq!(marked, LINKS, "{barrier}");
    }
}

/// A heap in which a cycle marks a long list.
fn marks_a_list<'a>(
    heap: &'a Heap,
    mutator: &mut Mutator,
) -> (MutexGuard<'a, Driver>, Root<Rootable![Link<'_>]>) {
    let list = mutator.enter(|mc| {
        let last = Gc::new(mc, Link(None));
        let list = (1..100_000).fold(last, |list, _| Gc::new(mc, Link(Some(list))));
        Root::new(mc, list)
    });
    let core = heap.core();
    let (driver, marker) = begins_to_mark(core);
    marker
        .into_iter()
        .for_each(|marker| core.retire_marker(marker));
    assert_eq!(core.phase(), Phase::Marking);
    (driver, list)
}

/// A marker with plenty hands some over as long as somebody looks for work.
#[test]
fn who_marks_looks_for_work_until_it_is_done() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let (_driver, _list) = marks_a_list(&heap, &mut mutator);
    let looks = || core.worklist.looking.load(Ordering::Relaxed);
    let more = core.help_marking(|| {
        assert_eq!(looks(), 1);
        false
    });
    assert!(more, "it was told to leave");
    assert_eq!(looks(), 0);
    core.assist_from.store(0, Ordering::Relaxed);
    core.assist_ratio.store(256, Ordering::Relaxed);
    core.counters.credit.store(0, Ordering::Relaxed);
    let before = core.counters.bytes_assisted.load(Ordering::Relaxed);
    mutator.enter(|mc| core.assist(mc.state(), 1 << 16));
    assert!(core.counters.bytes_assisted.load(Ordering::Relaxed) > before);
    assert_eq!(looks(), 0);
}

/// Half of what it has found and not followed: the other has nothing.
#[test]
fn a_marker_with_plenty_shares_with_who_looks_for_work() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let _wide: Root<Rootable!['gc => [Gc<'gc, Link<'gc>>]]> = mutator.enter(|mc| {
        let link = |_| Gc::new(mc, Link(None));
        Root::new(mc, Gc::slice_from_fn(mc, 10_000, link))
    });
    let (_driver, mut marker) = begins_to_mark(core);
    let looks_for_work = core.worklist.look_for_work();
    let mut shared = false;
    while core.mark_some(&mut marker, 4096) == Marking::Progress {
        shared |= !core.worklist.wants_work();
    }
    assert!(shared);
    drop(looks_for_work);
    marker
        .into_iter()
        .for_each(|marker| core.retire_marker(marker));
}

/// It marks some objects before it scans them, and nobody else would.
#[test]
fn a_marker_that_leaves_has_scanned_what_it_has_marked() {
    const NODES: usize = 5000;
    #[derive(Trace, Default)]
    #[trace(crate = crate)]
    struct Node<'gc> {
        edges: [GcSlot<Option<Gc<'gc, Self>>>; 4],
        plain: [GcSlot<Option<Gc<'gc, [u64; 2]>>>; 4],
        /// At odd addresses, too.
        bytes: [GcSlot<Option<Gc<'gc, u8>>>; 2],
    }

    let marked = |ways: &[Way]| {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let core = heap.core();
        let _graph: Root<Rootable![Node<'_>]> = heap.attach().enter(|mc| {
            let nodes: Vec<_> = (0..NODES).map(|_| Gc::new(mc, Node::default())).collect();
            for (number, node) in nodes.iter().enumerate() {
                // A path through all, and edges to anywhere.
                let to = |edge| match edge {
                    0 => (number + 1) % NODES,
                    _ => mix((number * 4 + edge) as u64) as usize % NODES,
                };
                let slots = node.edges.iter().enumerate();
                slots.for_each(|(edge, slot)| slot.set(mc, Some(nodes[to(edge)])));
                let plain = |slot: &GcSlot<_>| slot.set(mc, Some(Gc::new(mc, [number as u64; 2])));
                node.plain.iter().for_each(plain);
                let byte = |slot: &GcSlot<_>| slot.set(mc, Some(Gc::new(mc, number as u8)));
                node.bytes.iter().for_each(byte);
            }
            Root::new(mc, nodes[0])
        });
        let (mut driver, mut marker) = begins_to_mark(core);
        for &way in ways.iter().cycle() {
            let outcome = with_way(way, || core.mark_some(&mut marker, 1000));
            if let Some(marker) = marker.take() {
                core.retire_marker(marker);
            }
            if outcome == Marking::Dry {
                break;
            }
        }
        while core.advance(&mut driver, &mut marker, 64) != Advance::Idle {}
        drop(driver);
        assert_eq!(heap.stats().objects_freed, 0);
        core.counters.objects_marked.load(Ordering::Relaxed)
    };
    use Way::{Marks, Objects, Plain};
    let expected = marked(&[Objects]);
    // Bytes share marks.
    let bytes = expected - 5 * NODES as u64;
    assert!(bytes > 0 && bytes <= 2 * NODES as u64, "{bytes}");
    for ways in [[Marks; 3], [Plain; 3], [Marks, Objects, Plain]] {
        assert_eq!(marked(&ways), expected, "{ways:?}");
    }
}

/// An assist takes as long as thousands of allocations.
#[test]
fn mutators_do_not_mark_while_there_is_room() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let (_driver, _list) = marks_a_list(&heap, &mut mutator);
    let marked_for = |mutator: &mut Mutator, bytes| {
        let before = core.counters.objects_marked.load(Ordering::Relaxed);
        mutator.enter(|mc| core.assist(mc.state(), bytes));
        core.counters.objects_marked.load(Ordering::Relaxed) - before
    };
    core.counters.credit.store(0, Ordering::Relaxed);
    core.assist_ratio.store(256, Ordering::Relaxed);
    let much = core.goal.load(Ordering::Relaxed);
    core.assist_from
        .store(core.heap_now() + 1, Ordering::Relaxed);
    assert_eq!(marked_for(&mut mutator, much), 0);
    core.assist_from.store(core.heap_now(), Ordering::Relaxed);
    assert!(marked_for(&mut mutator, much) > 0);
}

/// Nobody pays for a cycle that will free nothing.
#[test]
fn mutators_do_not_mark_for_an_abandoned_cycle() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (_driver, _list) = marks_a_list(&heap, &mut heap.attach());
    let core = heap.core();
    let marked = || core.counters.objects_marked.load(Ordering::Relaxed);
    let before = marked();
    core.abandon_cycle(None);
    core.assist_at_boundary();
    assert_eq!(marked(), before);
}

/// Barriers that are off while a marker is at work would let cells be written as it reads them.
#[test]
fn an_abandoned_cycle_waits_for_markers_at_work() {
    for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.build().unwrap();
        let _list: Root<Rootable![Link<'_>]> = heap.attach().enter(|mc| {
            let last = Gc::new(mc, Link(None));
            let list = (1..1000).fold(last, |list, _| Gc::new(mc, Link(Some(list))));
            Root::new(mc, list)
        });
        let core = heap.core();
        let (mut driver, at_work) = begins_to_mark(core);
        core.abandon_cycle(None);
        let mut step = || core.advance(&mut driver, &mut None, 64);
        assert_eq!(step(), Advance::Waiting, "{barrier}");
        assert_eq!(core.phase(), Phase::Marking);
        at_work
            .into_iter()
            .for_each(|marker| core.retire_marker(marker));
        assert_eq!(step(), Advance::Progress, "{barrier}");
        assert_eq!(core.phase(), Phase::Terminating);
    }
}

/// What mutators hand over when their barriers go off is nobody's: who marked now would read cells that are written without
/// claims.
#[test]
fn nobody_begins_to_mark_when_marking_is_over() {
    for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
        for abandoned in [false, true] {
            let heap = Heap::builder().barrier(barrier).marker_threads(0);
            let heap = heap.build().unwrap();
            let mut mutator = heap.attach();
            let object = mutator.enter(|mc| Gc::address(Gc::new(mc, 1_u64)));
            let core = heap.core();
            let mut driver = core.driver.lock();
            core.wanted.store(1, Ordering::Relaxed);
            let until = |driver: &mut Driver, phase| {
                while core.phase() != phase {
                    assert!(core.advance(driver, &mut None, 64) != Advance::Idle);
                }
            };
            until(&mut driver, Phase::Marking);
            if abandoned {
                core.abandon_cycle(None);
            }
            until(&mut driver, Phase::Terminating);
            core.worklist.push(&mut vec![object]);
            let taken = core.worklist.take(false);
            assert!(matches!(taken, Take::Dry), "{barrier}, {abandoned}");
            until(&mut driver, Phase::Sweeping);
        }
    }
}

/// What the objects of a run will own is owed for, too.
#[test]
fn what_is_owned_is_marked_for() {
    let heap = Heap::builder().marker_threads(1).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    // Nobody drives meanwhile.
    let driver = core.driver.lock();
    core.set_phase(Phase::Marking);
    core.assist_from.store(0, Ordering::Relaxed);
    core.assist_ratio.store(256, Ordering::Relaxed);
    let mut owes = |bytes, owned| {
        mutator.enter(|mc| core.charge(mc.state(), bytes, owned));
        mutator.enter(|mc| mc.state().debt.get())
    };
    assert_eq!([owes(100, 0), owes(100, 1000)], [100, 1200]);
    core.set_phase(Phase::Idle);
    drop(driver);
}
