//! Roots against a cycle: made, cloned and dropped while it runs, also by a thread without a mutator.

use super::harness::{
    Bound, cycle, heap, holds, is_caught, must_be_freed, must_live, mutator, polls, spawn,
    switch_point,
};
use super::objects::Node;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };
const THREE_THREADS: Bound = Bound { preemptions: 1 };

type NodeRoot = Root<Rootable![Node<'_>]>;

const BARRIERS: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

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
            must_live(object.stamp.0);
        });
    });
    cycle(&heap);
    thread.join().unwrap();
    must_be_freed(1);
}

/// A mutator takes an object out of a slot and makes it a root; a thread without a mutator drops the root of what held it.
fn make_root(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let holder: NodeRoot = main.enter(|mc| {
        let target = Gc::new(mc, Node::new(1, None));
        Root::new(mc, Gc::new(mc, Node::new(0, Some(target))))
    });
    let holder2 = holder.clone();
    loom::explore();
    let dropper = spawn(move || drop(holder));
    let maker = mutator(&heap, move |m| {
        let made: Option<NodeRoot> = m.enter(|mc| {
            let holder = holder2.get(mc);
            let target = holder.next.get()?;
            let root = Root::new(mc, target);
            switch_point();
            holder.next.set(mc, None);
            Some(root)
        });
        drop(holder2);
        m.enter(|mc| made.as_ref().map_or((), |root| must_live(root.get(mc).stamp.0)));
        m.enter(|mc| {
            polls(mc);
            made.as_ref().map_or((), |root| must_live(root.get(mc).stamp.0));
        });
    });
    cycle(&heap);
    dropper.join().unwrap();
    maker.join().unwrap();
}

#[test]
fn dropped_roots_stay_for_the_cycle() {
    for barrier in BARRIERS {
        holds(&format!("root dropped, {barrier}"), BOUND, move || drop_root(barrier));
    }
}

#[test]
fn new_roots_keep_their_objects() {
    for barrier in BARRIERS {
        holds(&format!("root made, {barrier}"), THREE_THREADS, move || make_root(barrier));
    }
}

#[test]
fn twins() {
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        is_caught(&format!("root dropped, {barrier}"), Twin::RootsNotArmed, BOUND, move || drop_root(barrier));
    }
    is_caught("root made, insertion", Twin::RootNotShaded, THREE_THREADS, || make_root(Barrier::Insertion));
}
