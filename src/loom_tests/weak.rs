//! Weak upgrades against the end of marking, the clearing and the reuse of the slot.

use super::harness::{
    Bound, Caught, EVERY, Model, are_caught, begin, cycle, drive, finish, heap, hold, model,
    must_be_freed, mutator, polls, spawn, switch_point,
};
use super::minor::{ask, minor, minor_alone};
use super::objects::{Node, Weak};
use crate::cycle::core::Phase;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::{Barrier, Gc, GcWeak, Mutator, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };
const NARROW: Bound = Bound { preemptions: 1 };

type WeakRoot = Root<Rootable![Weak<'_>]>;

/// A root of a weak reference to object 1, which nothing else knows; 3 is garbage.
fn known_weakly(main: &mut Mutator) -> WeakRoot {
    main.enter(|mc| {
        let target = Gc::new(mc, Node::new(1, None));
        Gc::new(mc, Node::new(3, None));
        Root::new(mc, Gc::new(mc, Weak::new(0, Gc::downgrade(target, mc))))
    })
}

/// Object 1 is known by a weak reference only. A mutator upgrades it while a cycle runs.
fn upgrade(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root = known_weakly(&mut main);
    loom::explore();
    let root2 = root.clone();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let Some(target) = root2.get(mc).target.upgrade(mc) else {
                return;
            };
            target.stamp.lives();
            polls(mc);
            target.stamp.lives();
        });
    });
    cycle(&heap);
    thread.join().unwrap();
    must_be_freed(3);
    main.enter(|mc| {
        if let Some(target) = root.get(mc).target.upgrade(mc) {
            target.stamp.lives();
        }
    });
}

/// The same; as soon as the cycle is over object 2 is made, in the place of 1 if that is free.
fn upgrade_beside_a_new_one(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root = known_weakly(&mut main);
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let Some(target) = root.get(mc).target.upgrade(mc) else {
                return;
            };
            polls(mc);
            if target.stamp.number() != 1 {
                violation("an upgrade gives another object".to_owned());
            }
            target.stamp.lives();
        });
    });
    cycle(&heap);
    must_be_freed(3);
    main.enter(|mc| Gc::new(mc, Node::new(2, None)).stamp.lives());
    thread.join().unwrap();
}

/// The same once rounds have failed again and again: the upgrade waits for the end of marking.
fn upgrade_waits(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root = known_weakly(&mut main);
    drop(main);
    begin(&heap);
    heap.core().weak.rounds.brake();
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            if let Some(target) = root.get(mc).target.upgrade(mc) {
                target.stamp.lives();
                polls(mc);
                target.stamp.lives();
            }
        });
    });
    finish(&heap);
    thread.join().unwrap();
    must_be_freed(3);
}

/// Object 1 is known by a root too: it is never dead, whatever the phase and whether a marker has found it yet.
fn upgrade_rooted(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (weak, _kept): (WeakRoot, Root<Rootable![Node<'_>]>) = main.enter(|mc| {
        let target = Gc::new(mc, Node::new(1, None));
        let weak = Gc::new(mc, Weak::new(0, Gc::downgrade(target, mc)));
        (Root::new(mc, weak), Root::new(mc, target))
    });
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let target = weak.get(mc).target;
            if target.is_dead(mc) || target.upgrade(mc).is_none() {
                violation("a weak reference to a live object fails".to_owned());
            }
        });
    });
    cycle(&heap);
    thread.join().unwrap();
}

/// Object 1 is known by a weak reference only, and keeps 2. A mutator that has answered the last round upgrades it and takes 2
/// out of it; a second marker may be done with 1 before the driver looks again.
fn upgrade_and_take(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root: WeakRoot = main.enter(|mc| {
        let child = Gc::new(mc, Node::new(2, None));
        let target = Gc::new(mc, Node::new(1, Some(child)));
        Root::new(mc, Gc::new(mc, Weak::new(0, Gc::downgrade(target, mc))))
    });
    begin(&heap);
    // The round has been asked for.
    let seq = heap.core().command_seq();
    drive(&heap, |core| core.command_seq() != seq);
    let (driven, helped) = (heap.clone(), heap.clone());
    loom::explore();
    let driver = spawn(move || finish(&driven));
    let helper = spawn(move || {
        let mut marker = None;
        thread::yield_now();
        let _ = helped.core().mark_some(&mut marker, u64::MAX);
        if let Some(marker) = marker {
            helped.core().retire_marker(marker);
        }
    });
    thread::yield_now();
    main.enter(|mc| {
        let Some(target) = root.get(mc).target.upgrade(mc) else {
            return;
        };
        let child = target.next.get();
        switch_point();
        target.next.set(mc, None);
        for _ in 0..2 {
            mc.state().poll();
            thread::yield_now();
        }
        child.inspect(|child| child.stamp.lives());
    });
    driver.join().unwrap();
    helper.join().unwrap();
}

/// Object without pointers, known by a weak reference only; the last round has been asked for. Two mutators upgrade it: both find it, or
/// neither.
fn upgrade_twice(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root: Root<Rootable![GcWeak<'_, [u64; 4]>]> = main.enter(|mc| {
        let target = Gc::new(mc, [0; 4]);
        Root::new(mc, Gc::new(mc, Gc::downgrade(target, mc)))
    });
    begin(&heap);
    let seq = heap.core().command_seq();
    drive(&heap, |core| core.command_seq() != seq);
    let (driven, other, root2) = (heap.clone(), heap.clone(), root.clone());
    loom::explore();
    let driver = spawn(move || finish(&driven));
    let other = spawn(move || {
        other
            .attach()
            .enter(|mc| root2.get(mc).upgrade(mc).is_some())
    });
    thread::yield_now();
    let found = main.enter(|mc| root.get(mc).upgrade(mc).is_some());
    driver.join().unwrap();
    if found != other.join().unwrap() {
        violation("a weak reference to a live object fails".to_owned());
    }
}

/// A mutator comes, makes a weak reference and goes while a cycle ends, which goes through the list of them. The target dies in a
/// later cycle: the reference must have stayed on the list.
fn make(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    begin(&heap);
    let made = heap.clone();
    loom::explore();
    let maker = spawn(move || -> WeakRoot {
        made.attach().enter(|mc| {
            let target = Gc::new(mc, Node::new(1, None));
            Root::new(mc, Gc::new(mc, Weak::new(0, Gc::downgrade(target, mc))))
        })
    });
    finish(&heap);
    let root = maker.join().unwrap();
    loom::stop_exploring();
    cycle(&heap);
    cycle(&heap);
    loom::explore();
    must_be_freed(1);
    main.enter(|mc| {
        if root.get(mc).target.upgrade(mc).is_some() {
            violation("a weak reference to a dead object".to_owned());
        }
    });
}

/// A minor cycle marks. A mutator makes object 1, which only the weak reference 0 knows once it has ended: the next minor cycle frees it.
fn fresh(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let _old = known_weakly(&mut main);
    cycle(&heap);
    ask(&heap);
    drive(&heap, |core| core.phase() == Phase::Marking);
    let made_in = heap.clone();
    loom::explore();
    let maker = spawn(move || {
        made_in.attach().enter(|mc| -> WeakRoot {
            let target = Gc::new(mc, Node::new(2, None));
            Root::new(mc, Gc::new(mc, Weak::new(4, Gc::downgrade(target, mc))))
        })
    });
    thread::yield_now();
    finish(&heap);
    let root = maker.join().unwrap();
    minor_alone(&heap);
    main.enter(|mc| {
        if let Some(target) = root.get(mc).target.upgrade(mc) {
            target.stamp.lives();
        }
    });
}

/// Object 1 and the weak reference to it are old when the last root of 1 is dropped, beside a minor cycle. It is upgraded, or dead, when a
/// full one has come.
fn old(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root = known_weakly(&mut main);
    let target: Option<Root<Rootable![Node<'_>]>> = main.enter(|mc| {
        let target = root.get(mc).target.upgrade(mc);
        target.map(|target| Root::new(mc, target))
    });
    cycle(&heap);
    loom::explore();
    let dropper = spawn(move || drop(target));
    minor(&heap);
    dropper.join().unwrap();
    cycle(&heap);
    must_be_freed(1);
    main.enter(|mc| {
        if let Some(target) = root.get(mc).target.upgrade(mc) {
            target.stamp.lives();
        }
    });
}

pub(super) fn models() -> Vec<Model> {
    let mut models = Vec::new();
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let name = format!("weak, fresh, {barrier}");
        models.push(model(name, BOUND, move || fresh(barrier)));
    }
    for barrier in EVERY {
        let name = format!("weak, old, {barrier}");
        models.push(model(name, BOUND, move || old(barrier)));
        let name = format!("weak upgrade, {barrier}");
        models.push(model(name, BOUND, move || upgrade(barrier)));
        let name = format!("weak upgrade, rooted, {barrier}");
        models.push(model(name, BOUND, move || upgrade_rooted(barrier)));
        let name = format!("weak upgrade beside a new object, {barrier}");
        models.push(model(name, NARROW, move || {
            upgrade_beside_a_new_one(barrier);
        }));
    }
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let name = format!("weak upgrade, waiting, {barrier}");
        models.push(model(name, BOUND, move || upgrade_waits(barrier)));
    }
    let name = "weak made, deletion".into();
    models.push(model(name, NARROW, || make(Barrier::Deletion)));
    let name = "weak upgrade, child taken, deletion".into();
    models.push(model(name, BOUND, || {
        upgrade_and_take(Barrier::Deletion);
    }));
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let name = format!("weak upgrade, twice, {barrier}");
        models.push(model(name, NARROW, move || upgrade_twice(barrier)));
    }
    models
}

pub(super) const TWINS: &[Caught] = &[
    ("weak, fresh, deletion", Twin::FreshBoxesPassedOver),
    ("weak, fresh, hybrid", Twin::FreshBoxesPassedOver),
    ("weak, old, insertion", Twin::OldBoxesPassedOver),
    ("weak, old, deletion", Twin::OldBoxesPassedOver),
    ("weak, old, hybrid", Twin::OldBoxesPassedOver),
    ("weak, old, stop-the-world", Twin::OldBoxesPassedOver),
    ("weak upgrade, hybrid", Twin::UpgradeNotShaded),
    ("weak upgrade, hybrid", Twin::UpgradeShadedAtHome),
    ("weak upgrade, hybrid", Twin::UpgradeNotSeen),
    ("weak upgrade, insertion", Twin::UpgradeTooLate),
    ("weak upgrade, deletion", Twin::UpgradeUnlocked),
    ("weak upgrade, insertion", Twin::NotCleared),
    ("weak upgrade, insertion", Twin::NewWeakForgotten),
    ("weak upgrade, deletion", Twin::ClearedEarly),
    ("weak upgrade, deletion", Twin::OverWithoutLock),
    ("weak upgrade, insertion", Twin::PhaseKept),
    ("weak upgrade, insertion", Twin::SweepBeforeOff),
    ("weak upgrade, child taken, deletion", Twin::DryIsEnough),
    ("weak upgrade, waiting, hybrid", Twin::StaleAfterWait),
    ("weak upgrade, twice, deletion", Twin::UpgradeLooksOnce),
    ("weak made, deletion", Twin::NewWeakDropped),
    ("weak upgrade, stop-the-world", Twin::NewWeakForgotten),
    ("weak upgrade, stop-the-world", Twin::NotCleared),
    ("weak upgrade beside a new object, hybrid", Twin::NotCleared),
    ("weak upgrade, rooted, insertion", Twin::LostTooEarly),
    ("weak upgrade, rooted, deletion", Twin::LostTooEarly),
    ("weak upgrade, rooted, hybrid", Twin::LostTooEarly),
    ("weak upgrade, rooted, stop-the-world", Twin::StopTakesSome),
    (
        "weak upgrade beside a new object, insertion",
        Twin::UpgradeTooLate,
    ),
    (
        "weak upgrade beside a new object, deletion",
        Twin::PhaseKept,
    ),
    (
        "weak upgrade beside a new object, stop-the-world",
        Twin::NotCleared,
    ),
    ("weak upgrade, waiting, deletion", Twin::StaleAfterWait),
    ("weak upgrade, twice, hybrid", Twin::UpgradeLooksOnce),
];

#[test]
fn upgraded_objects_live() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
