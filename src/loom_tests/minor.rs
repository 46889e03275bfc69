//! Minor cycles: what keeps an old object from pointing at a new one that nobody scans it for.
//!
//! A first cycle, which is full, makes objects old (outside the exploration). Then a minor one runs beside mutators; or they work while
//! one ends, and another minor cycle, outside again, frees what it does not find.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::harness::{
    Bound, Caught, EVERY, Model, are_caught, cycle, drive, finish, heap, hold, is_freed, model,
    must_be_freed, must_live, mutator, polls, spawn, switch_point,
};
use super::objects::{Fixed, Link, Node, Shared, Stamp, Weak};
use crate::cycle::core::Phase;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::{Barrier, Gc, GcSlot, Heap, Mutation, Mutator, Root, Rootable, Trace, Tracer};

const BOUND: Bound = Bound { preemptions: 2 };

const CONCURRENT: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

type NodeRoot = Root<Rootable![Node<'_>]>;
type FixedRoot = Root<Rootable![Fixed<'_>]>;
pub(super) type ShelfRoot = Root<Rootable![Shelf<'_>]>;

/// An object with a slot for each kind.
pub(super) struct Shelf<'gc> {
    pub(super) stamp: Stamp,
    pub(super) node: GcSlot<Link<'gc>>,
    pub(super) fixed: GcSlot<Option<Gc<'gc, Fixed<'gc>>>>,
}

// SAFETY: T1, T9: the slots have the only pointers, and are in the object. T2, T7: the stamp is written when the object dies. T3, T4: its
// destructor reaches no object, and may run anywhere. T5, T6, T10: one brand, and no other lifetime. T8: not claimed.
unsafe impl<'gc> Trace<'gc> for Shelf<'gc> {
    const CELLS_INLINE: bool = true;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.stamp.lives();
        self.node.trace(tracer);
        self.fixed.trace(tracer);
    }
}

pub(super) fn shelf(mc: &Mutation<'_>, number: usize) -> ShelfRoot {
    let shelf = Shelf {
        stamp: Stamp::new(number),
        node: GcSlot::new(None),
        fixed: GcSlot::new(None),
    };
    Root::new(mc, Gc::new(mc, shelf))
}

/// Asks for a cycle that may be minor.
pub(super) fn ask(heap: &Heap) {
    heap.core().request_any_cycle();
}

/// Runs a cycle, which is minor.
pub(super) fn minor(heap: &Heap) {
    ask(heap);
    finish(heap);
    if !heap.core().status.lock().last.minor {
        violation("the cycle was not minor".to_owned());
    }
}

/// As [`minor`], outside the exploration.
pub(super) fn minor_alone(heap: &Heap) {
    loom::stop_exploring();
    minor(heap);
    loom::explore();
}

/// Runs a minor cycle to the end of its marking, if it is not all one stop.
pub(super) fn mark(heap: &Heap) {
    ask(heap);
    if heap.barrier() != Barrier::StopTheWorld {
        drive(heap, |core| core.phase() == Phase::Terminating);
    }
}

/// All that is in the list lives.
pub(super) fn walk<'gc>(mut next: Link<'gc>) {
    while let Some(node) = next {
        node.stamp.lives();
        next = node.next.get();
    }
}

fn check(main: &mut Mutator, root: &NodeRoot) {
    main.enter(|mc| walk(Some(root.get(mc))));
}

pub(super) fn check_shelf(main: &mut Mutator, shelf: &ShelfRoot) {
    main.enter(|mc| {
        let shelf = shelf.get(mc);
        shelf.stamp.lives();
        walk(shelf.node.get());
        if let Some(fixed) = shelf.fixed.get() {
            fixed.stamp.lives();
            walk(fixed.next);
        }
    });
}

/// A full cycle is asked for while one that may be minor begins: what was dropped before, the old object 1, is freed by the end of it.
fn full_beside_minor(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root = main.enter(|mc| Root::new(mc, Gc::new(mc, Node::new(1, None))) as NodeRoot);
    cycle(&heap);
    drop((root, main));
    ask(&heap);
    let driven = heap.clone();
    loom::explore();
    let driver = spawn(move || finish(&driven));
    let number = heap.core().request_new_cycle();
    switch_point();
    driver.join().unwrap();
    finish(&heap);
    if heap.core().status.lock().last_full.cycle < number {
        violation("a full cycle was asked for, and there was none".to_owned());
    }
    must_be_freed(1);
}

/// Object 0 is old and gets a pointer to the new object 4, which a mutator moves to the old object 3 while the cycle runs. Beside them the
/// immutable object 1 keeps 2; 5 is garbage. Then 6, which the first minor cycle has made old, gets a pointer to the new object 7.
fn store(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (from, fixed, to): (NodeRoot, FixedRoot, NodeRoot) = main.enter(|mc| {
        let kept = Gc::new(mc, Node::new(2, None));
        let fixed = Root::new(mc, Gc::new(mc, Fixed::new(1, Some(kept))));
        let [from, to] = [0, 3].map(|number| Root::new(mc, Gc::new(mc, Node::new(number, None))));
        (from, fixed, to)
    });
    cycle(&heap);
    let last: NodeRoot = main.enter(|mc| {
        let new = Gc::new(mc, Node::new(4, None));
        from.get(mc).next.set(mc, Some(new));
        Gc::new(mc, Node::new(5, None));
        Root::new(mc, Gc::new(mc, Node::new(6, None)))
    });
    let (from2, to2) = (from.clone(), to.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let (from, to) = (from2.get(mc), to2.get(mc));
            let Some(hidden) = from.next.get() else {
                return;
            };
            to.next.set(mc, Some(hidden));
            switch_point();
            from.next.set(mc, None);
            polls(mc);
            hidden.stamp.lives();
        });
    });
    minor(&heap);
    thread.join().unwrap();
    must_be_freed(5);
    main.enter(|mc| {
        let new = Gc::new(mc, Node::new(7, None));
        last.get(mc).next.set(mc, Some(new));
    });
    minor_alone(&heap);
    [&from, &to, &last]
        .into_iter()
        .for_each(|root| check(&mut main, root));
    main.enter(|mc| {
        let fixed = fixed.get(mc);
        fixed.stamp.lives();
        walk(fixed.next);
    });
}

/// The old object is a cell that a mutator writes while its note is scanned.
fn write(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (from, to): (Root<Rootable![Shared<'_>]>, NodeRoot) = main.enter(|mc| {
        let from = Root::new(mc, Gc::new(mc, Shared::new(0, None)));
        (from, Root::new(mc, Gc::new(mc, Node::new(1, None))))
    });
    cycle(&heap);
    main.enter(|mc| {
        let more = Gc::new(mc, Node::new(3, None));
        let new = Gc::new(mc, Node::new(2, Some(more)));
        from.get(mc).cell.lock(mc).set(Some(new));
    });
    let (from2, to2) = (from.clone(), to.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let from = from2.get(mc);
            let mut cell = from.cell.lock(mc);
            let Some(taken) = cell.get() else { return };
            cell.set(taken.next.get());
            drop(cell);
            to2.get(mc).next.set(mc, Some(taken));
            taken.next.set(mc, None);
        });
    });
    minor(&heap);
    thread.join().unwrap();
    check(&mut main, &to);
    main.enter(|mc| {
        let from = from.get(mc);
        from.stamp.lives();
        walk(from.cell.lock(mc).get());
    });
}

/// The old object 0, a cell that has not been written, gets a pointer to the new object 2 while a minor cycle marks, in place of the old
/// object 3, which goes to the old object 1.
fn write_late(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (cell, to): (Root<Rootable![Shared<'_>]>, NodeRoot) = main.enter(|mc| {
        let kept = Gc::new(mc, Node::new(3, None));
        let cell = Root::new(mc, Gc::new(mc, Shared::new(0, Some(kept))));
        (cell, Root::new(mc, Gc::new(mc, Node::new(1, None))))
    });
    cycle(&heap);
    let (cell2, to2) = (cell.clone(), to.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let new = Gc::new(mc, Node::new(2, None));
            polls(mc);
            let holder = cell2.get(mc);
            let mut guard = holder.cell.lock(mc);
            to2.get(mc).next.set(mc, guard.get());
            guard.set(Some(new));
        });
    });
    minor(&heap);
    thread.join().unwrap();
    minor_alone(&heap);
    check(&mut main, &to);
    main.enter(|mc| {
        let holder = cell.get(mc);
        holder.stamp.lives();
        walk(holder.cell.lock(mc).get());
    });
}

/// A mutator builds a slice of pointers while barriers go off, spans are swept and the next cycle begins.
fn build(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let shelf = main.enter(|mc| shelf(mc, 0));
    cycle(&heap);
    mark(&heap);
    let building = heap.clone();
    loom::explore();
    let builder = spawn(move || {
        let mut mutator = building.attach();
        mutator.enter(|mc| -> Root<Rootable!['gc => [Gc<'gc, Node<'gc>>]]> {
            let slice = Gc::slice_from_fn(mc, 2, |index| {
                polls(mc);
                Gc::new(mc, Node::new(5 + index, None))
            });
            Root::new(mc, slice)
        })
    });
    finish(&heap);
    minor(&heap);
    let slice = builder.join().unwrap();
    minor_alone(&heap);
    check_shelf(&mut main, &shelf);
    main.enter(|mc| slice.get(mc).iter().for_each(|node| node.stamp.lives()));
}

/// A mutator builds a slice in a slot that had another; the making of its second element panics: nobody may take the slot for an
/// old object.
fn unmade(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let _beside: Root<Rootable!['gc => [Node<'gc>]]> = main.enter(|mc| {
        Gc::slice_from_fn(mc, 2, |index| Node::new(8 + index, None));
        let beside = Gc::slice_from_fn(mc, 2, |index| Node::new(10 + index, None));
        Root::new(mc, beside)
    });
    cycle(&heap);
    mark(&heap);
    loom::explore();
    let builder = mutator(&heap, move |m| {
        m.enter(|mc| {
            let made = catch_unwind(AssertUnwindSafe(|| {
                Gc::slice_from_fn(mc, 2, |index| {
                    if index == 1 {
                        polls(mc);
                        resume_unwind(Box::new("told to panic"));
                    }
                    Node::new(5, None)
                })
            }));
            assert!(made.is_err());
        });
    });
    finish(&heap);
    ask(&heap);
    finish(&heap);
    builder.join().unwrap();
    must_be_freed(5);
}

/// A cycle is given up in the middle of its marking: it has marked objects whose contents it has not. What comes next must mark them.
fn abandoned(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root: FixedRoot = main.enter(|mc| {
        let last = Gc::new(mc, Node::new(2, None));
        let kept = Gc::new(mc, Node::new(1, Some(last)));
        Root::new(mc, Gc::new(mc, Fixed::new(0, Some(kept))))
    });
    cycle(&heap);
    let _ = heap.core().request_new_cycle();
    let abandoning = heap.clone();
    loom::explore();
    let other = spawn(move || {
        thread::yield_now();
        abandoning.core().abandon_cycle(None);
    });
    while heap.core().status.lock().completed == 1 {
        let _ = heap.core().step(1);
        thread::yield_now();
    }
    other.join().unwrap();
    loom::stop_exploring();
    ask(&heap);
    finish(&heap);
    loom::explore();
    main.enter(|mc| {
        let fixed = root.get(mc);
        fixed.stamp.lives();
        walk(fixed.next);
    });
}

/// Object 1 is old, 3 is new; only weak references know them. A mutator upgrades these while a minor cycle ends, and stores what it gets.
fn upgrade(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let weak = |mc: &Mutation<'_>, number, target| -> Root<Rootable![Weak<'_>]> {
        let target = Gc::new(mc, Node::new(target, None));
        Root::new(
            mc,
            Gc::new(mc, Weak::new(number, Gc::downgrade(target, mc))),
        )
    };
    let (old, kept, shelf) = main.enter(|mc| {
        let old = weak(mc, 0, 1);
        let target = old.get(mc).target.upgrade(mc);
        (
            old,
            target.map(|target| NodeRoot::new(mc, target)),
            shelf(mc, 4),
        )
    });
    cycle(&heap);
    drop(kept);
    let new = main.enter(|mc| weak(mc, 2, 3));
    let (old2, new2, shelf2) = (old.clone(), new.clone(), shelf.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let Some(target) = new2.get(mc).target.upgrade(mc) else {
                return;
            };
            target.stamp.lives();
            let old = old2.get(mc).target.upgrade(mc);
            target.next.set(mc, old);
            polls(mc);
            shelf2.get(mc).node.set(mc, Some(target));
        });
    });
    minor(&heap);
    thread.join().unwrap();
    must_live(1);
    main.enter(|mc| {
        let got = shelf.get(mc).node.get().is_some();
        match new.get(mc).target.upgrade(mc) {
            Some(target) => target.stamp.lives(),
            None if got || !is_freed(3) => {
                violation("a weak reference to a live object fails".to_owned());
            }
            None => {}
        }
    });
    check_shelf(&mut main, &shelf);
}

/// A name, which says what happens, and the barriers under which it does.
type Scene = (&'static str, Bound, &'static [Barrier], fn(Barrier));

const SCENES: &[Scene] = &[
    (
        "full beside it",
        BOUND,
        &[Barrier::StopTheWorld],
        full_beside_minor,
    ),
    ("new in old", BOUND, &EVERY, store),
    ("note and writer", BOUND, &EVERY, write),
    ("writer", BOUND, &EVERY, write_late),
    ("slice", BOUND, &EVERY, build),
    ("slice never made", BOUND, &EVERY, unmade),
    ("after an abandoned one", BOUND, &CONCURRENT, abandoned),
    ("upgrade", BOUND, &EVERY, upgrade),
];

pub(super) fn models() -> Vec<Model> {
    let models_of = |&(name, bound, barriers, program): &Scene| {
        barriers.iter().map(move |&barrier| {
            model(format!("minor, {name}, {barrier}"), bound, move || {
                program(barrier);
            })
        })
    };
    SCENES.iter().flat_map(models_of).collect()
}

pub(super) const TWINS: &[Caught] = &[
    ("minor, new in old, hybrid", Twin::OldNotNoted),
    ("minor, new in old, hybrid", Twin::NotedForgotten),
    ("minor, new in old, hybrid", Twin::WriteNotStamped),
    ("minor, new in old, deletion", Twin::WriteNotStamped),
    ("minor, new in old, deletion", Twin::OldStampsIgnored),
    ("minor, new in old, stop-the-world", Twin::OldStampsIgnored),
    ("minor, new in old, insertion", Twin::NotedForgotten),
    ("minor, new in old, deletion", Twin::NotedForgotten),
    ("minor, new in old, stop-the-world", Twin::NotedForgotten),
    ("minor, new in old, stop-the-world", Twin::OffToldByEpoch),
    ("minor, note and writer, insertion", Twin::DeferredForgotten),
    ("minor, writer, insertion", Twin::CardsUnderInsertion),
    ("minor, note and writer, hybrid", Twin::NoClaim),
    (
        "minor, after an abandoned one, hybrid",
        Twin::MinorAfterAbandoned,
    ),
    ("minor, upgrade, hybrid", Twin::UpgradeNotShaded),
    ("minor, upgrade, insertion", Twin::UpgradeTooLate),
    ("minor, upgrade, insertion", Twin::NotCleared),
    (
        "minor, full beside it, stop-the-world",
        Twin::AskedWithoutLock,
    ),
    ("minor, note and writer, deletion", Twin::ClaimNotTraced),
    ("minor, note and writer, stop-the-world", Twin::OldNotNoted),
    ("minor, writer, deletion", Twin::WriteNotStamped),
    ("minor, writer, hybrid", Twin::OldStampsIgnored),
    ("minor, writer, stop-the-world", Twin::NotedForgotten),
    ("minor, slice, insertion", Twin::OldBeforeSweep),
    ("minor, slice, deletion", Twin::OldBeforeSweep),
    ("minor, slice, hybrid", Twin::OldBeforeSweep),
    ("minor, slice, stop-the-world", Twin::OldBeforeSweep),
    ("minor, slice never made, insertion", Twin::UnmadeNotSaid),
    ("minor, slice never made, deletion", Twin::UnmadeNotSaid),
    ("minor, slice never made, hybrid", Twin::UnmadeNotSaid),
    (
        "minor, slice never made, stop-the-world",
        Twin::UnmadeNotSaid,
    ),
    (
        "minor, after an abandoned one, insertion",
        Twin::MinorAfterAbandoned,
    ),
    (
        "minor, after an abandoned one, deletion",
        Twin::MinorAfterAbandoned,
    ),
    ("minor, upgrade, deletion", Twin::UpgradeUnlocked),
    ("minor, upgrade, stop-the-world", Twin::NewWeakForgotten),
];

#[test]
fn old_objects_lose_nothing() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
