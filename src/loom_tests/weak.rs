//! Weak upgrades against the end of marking, the clearing and the reuse of the slot.

use super::harness::{Bound, Caught, Model, are_caught, cycle, heap, hold, model, mutator, polls};
use super::objects::{Node, Weak};
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };

type WeakRoot = Root<Rootable![Weak<'_>]>;

/// Object 1 is known by a weak reference only. A mutator upgrades it while a cycle runs.
fn upgrade(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root: WeakRoot = main.enter(|mc| {
        let target = Gc::new(mc, Node::new(1, None));
        Root::new(mc, Gc::new(mc, Weak::new(0, Gc::downgrade(target, mc))))
    });
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
    main.enter(|mc| {
        if let Some(target) = root.get(mc).target.upgrade(mc) {
            target.stamp.lives();
        }
    });
}

pub(super) fn models() -> Vec<Model> {
    [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid]
        .map(|barrier| {
            let name = format!("weak upgrade, {barrier}");
            model(name, BOUND, move || upgrade(barrier))
        })
        .into()
}

pub(super) const TWINS: &[Caught] = &[
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
];

#[test]
fn upgraded_objects_live() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
