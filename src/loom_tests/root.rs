//! Roots against a cycle: made, cloned and dropped while it runs, also by a thread without a mutator.

use super::harness::{
    Bound, Caught, EVERY, Model, are_caught, begin, cycle, finish, heap, hold, model,
    must_be_freed, mutator, polls, spawn, switch_point,
};
use super::objects::Node;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };
const THREE_THREADS: Bound = Bound { preemptions: 1 };

type NodeRoot = Root<Rootable![Node<'_>]>;

/// A mutator reads a root and then drops it: the object is on its stack only.
fn drop_root(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root: NodeRoot = main.enter(|mc| {
        Gc::new(mc, Node::new(1, None));
        Root::new(mc, Gc::new(mc, Node::new(0, None)))
    });
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let object = root.get(mc);
            drop(root);
            polls(mc);
            object.stamp.lives();
        });
    });
    cycle(&heap);
    thread.join().unwrap();
    must_be_freed(1);
}

/// A mutator takes an object out of a slot and makes it a root, which it reads and drops: no zombie is left of it if it was made
/// while a barrier was on. Object 2 is garbage.
fn make_root(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let holder: NodeRoot = main.enter(|mc| {
        Gc::new(mc, Node::new(2, None));
        let target = Gc::new(mc, Node::new(1, None));
        Root::new(mc, Gc::new(mc, Node::new(0, Some(target))))
    });
    loom::explore();
    let maker = mutator(&heap, move |m| {
        let made: NodeRoot = m.enter(|mc| {
            let holder = holder.get(mc);
            let root = Root::new(mc, holder.next.get().unwrap());
            switch_point();
            holder.next.set(mc, None);
            root
        });
        m.enter(|mc| {
            polls(mc);
            let object = made.get(mc);
            drop(made);
            polls(mc);
            object.stamp.lives();
        });
    });
    cycle(&heap);
    maker.join().unwrap();
    must_be_freed(2);
}

/// The same by a mutator that has been inside since before the cycle: nothing shades what becomes of the object.
fn make_root_early(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let holder: NodeRoot = main.enter(|mc| {
        let target = Gc::new(mc, Node::new(1, None));
        Root::new(mc, Gc::new(mc, Node::new(0, Some(target))))
    });
    let driven = heap.clone();
    let made: NodeRoot = main.enter(|mc| {
        let holder = holder.get(mc);
        let target = holder.next.get().unwrap();
        loom::explore();
        spawn(move || cycle(&driven));
        switch_point();
        let root = Root::new(mc, target);
        holder.next.set(mc, None);
        root
    });
    main.enter(|mc| {
        let object = made.get(mc);
        drop(made);
        polls(mc);
        object.stamp.lives();
    });
}

/// A mutator reads a root by a shared handle and drops it; a thread without a mutator clones its own handle and drops both.
fn drop_elsewhere(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root: NodeRoot = main.enter(|mc| Root::new(mc, Gc::new(mc, Node::new(0, None))));
    let clone = root.clone();
    loom::explore();
    let dropper = spawn(move || {
        let another = clone.clone();
        drop(clone);
        drop(another);
    });
    let reader = mutator(&heap, move |m| {
        m.enter(|mc| {
            let object = root.get(mc);
            drop(root);
            polls(mc);
            object.stamp.lives();
        });
    });
    begin(&heap);
    // They may come and go before the roots are scanned.
    thread::yield_now();
    finish(&heap);
    dropper.join().unwrap();
    reader.join().unwrap();
    cycle(&heap);
    must_be_freed(0);
}

pub(super) fn models() -> Vec<Model> {
    let mut models = Vec::new();
    for barrier in EVERY {
        let named = |what| format!("root {what}, {barrier}");
        models.push(model(named("dropped"), BOUND, move || drop_root(barrier)));
        models.push(model(named("made"), BOUND, move || make_root(barrier)));
        models.push(model(named("made early"), BOUND, move || {
            make_root_early(barrier);
        }));
        let name = named("dropped elsewhere");
        models.push(model(name, THREE_THREADS, move || drop_elsewhere(barrier)));
    }
    models
}

pub(super) const TWINS: &[Caught] = &[
    ("root dropped, deletion", Twin::RootsNotArmed),
    ("root dropped, hybrid", Twin::RootsNotArmed),
    ("root made, insertion", Twin::RootNotShaded),
    ("root dropped, deletion", Twin::RootsArmedLate),
    ("root dropped, deletion", Twin::ZombiesNotScanned),
    ("root made early, deletion", Twin::RootsTakenForShaded),
    ("root made early, hybrid", Twin::RootsTakenForShaded),
    ("root dropped, insertion", Twin::StopTakesSome),
    ("root dropped, stop-the-world", Twin::StopTakesSome),
    ("root made, deletion", Twin::NoFlush),
    ("root made, hybrid", Twin::NoFlush),
    ("root made, stop-the-world", Twin::EntersDuringStop),
    ("root made early, insertion", Twin::StopTakesSome),
    ("root made early, stop-the-world", Twin::StopTakesSome),
    ("root dropped elsewhere, deletion", Twin::RootsNotArmed),
    ("root dropped elsewhere, hybrid", Twin::RootsArmedLate),
    ("root dropped elsewhere, insertion", Twin::StopTakesSome),
    (
        "root dropped elsewhere, stop-the-world",
        Twin::StopTakesSome,
    ),
];

#[test]
fn roots_keep_their_objects() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
