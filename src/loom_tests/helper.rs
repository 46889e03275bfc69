//! A second marker that helps: it takes blocks from the worklist while the driver marks, and has nothing but the worklist to
//! tell it which cycle it is in.

use super::harness::{
    Bound, Caught, Model, are_caught, begin, cycle, drive, finish, heap, hold, model,
    must_be_freed, mutator, spawn, switch_point,
};
use super::objects::{Link, Node, Shared};
use crate::cycle::core::Phase;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, GcSlot, Heap, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };

type NodeRoot = Root<Rootable![Node<'_>]>;
type SharedRoot = Root<Rootable![Shared<'_>]>;

/// 0 → 1, rooted; 2 is garbage. A helping thread comes and goes; there are two cycles.
fn help() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let root: NodeRoot = main.enter(|mc| {
        let child = Gc::new(mc, Node::new(1, None));
        Gc::new(mc, Node::new(2, None));
        Root::new(mc, Gc::new(mc, Node::new(0, Some(child))))
    });
    let helped = heap.clone();
    loom::explore();
    let helper = spawn(move || helped.core().help_marking(|| true));
    cycle(&heap);
    must_be_freed(2);
    cycle(&heap);
    helper.join().unwrap();
    main.enter(|mc| {
        let object = root.get(mc);
        object.stamp.lives();
        if let Some(child) = object.next.get() {
            child.stamp.lives();
        }
    });
}

/// Two threads take the cycle that is wanted to its end in the smallest steps, the other one `steps` of them.
fn step_together(heap: &Heap, steps: usize) {
    let stepping = heap.clone();
    loom::explore();
    let other = spawn(move || {
        for _ in 0..steps {
            let _ = stepping.core().step(1);
            switch_point();
        }
    });
    while heap.core().status.lock().completed == 0 {
        let _ = heap.core().step(1);
        thread::yield_now();
    }
    other.join().unwrap();
}

/// Two threads take a cycle on in the smallest steps, each with a marker that it gives up when its step is over.
fn steps() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let root: NodeRoot = main.enter(|mc| {
        let grandchild = Gc::new(mc, Node::new(3, None));
        let child = Gc::new(mc, Node::new(1, Some(grandchild)));
        Gc::new(mc, Node::new(2, None));
        Root::new(mc, Gc::new(mc, Node::new(0, Some(child))))
    });
    // A step ends between objects of different types.
    let shared: SharedRoot = main.enter(|mc| Root::new(mc, Gc::new(mc, Shared::new(4, None))));
    let _ = heap.core().request_new_cycle();
    step_together(&heap, 4);
    must_be_freed(2);
    main.enter(|mc| {
        shared.get(mc).stamp.lives();
        let mut next = Some(root.get(mc));
        while let Some(node) = next {
            node.stamp.lives();
            next = node.next.get();
        }
    });
}

/// Two threads mark in the smallest steps; a slice is scanned in pieces.
fn slice() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let root: Root<Rootable!['gc => [GcSlot<Link<'gc>>]]> = main.enter(|mc| {
        let node = |number| GcSlot::new(Some(Gc::new(mc, Node::new(number, None))));
        Gc::new(mc, Node::new(3, None));
        Root::new(mc, Gc::slice_from_fn(mc, 3, node))
    });
    let _ = heap.core().request_new_cycle();
    step_together(&heap, 3);
    must_be_freed(3);
    main.enter(|mc| {
        let nodes = root.get(mc);
        nodes
            .iter()
            .for_each(|node| node.get().unwrap().stamp.lives());
    });
}

/// Marks what there is to be taken now, if there is something.
fn mark_once(heap: &Heap) {
    let mut marker = None;
    let _ = heap.core().mark_some(&mut marker, u64::MAX);
    if let Some(marker) = marker {
        heap.core().retire_marker(marker);
    }
}

/// A helper that looked at the phase in the cycle before comes for a block when the next one arms: a grey mutator has handed
/// one over, and another, whose barrier is not on yet, writes the cell of the object in it.
fn come_late() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let root: SharedRoot = main.enter(|mc| Root::new(mc, Gc::new(mc, Shared::new(0, None))));
    let (helped, written) = (heap.clone(), root.clone());
    loom::explore();
    let writer = mutator(&heap, move |m| {
        m.enter(|mc| {
            let object = written.get(mc);
            thread::yield_now();
            object.cell.lock(mc).set(None);
        });
    });
    thread::yield_now();
    let _ = heap.core().request_new_cycle();
    let _ = heap.core().step(1);
    main.enter(|mc| drop(SharedRoot::new(mc, root.get(mc))));
    // Hands over what it has shaded.
    drop(main);
    // What is left of `help_marking` behind that look.
    let helper = spawn(move || mark_once(&helped));
    finish(&heap);
    helper.join().unwrap();
    writer.join().unwrap();
}

/// A cycle is abandoned while barriers are on. What a mutator hands over when its barrier goes off is not marked; a late helper
/// must not take it: it might be at work in the next cycle, whose marks it would write over.
fn abandoned() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let roots: [NodeRoot; 2] = main.enter(|mc| {
        let child = Gc::new(mc, Node::new(1, None));
        let parent = Gc::new(mc, Node::new(0, Some(child)));
        [parent, child].map(|node| Root::new(mc, node))
    });
    begin(&heap);
    heap.core().abandon_cycle(None);
    drive(&heap, |core| core.phase() == Phase::Terminating);
    main.enter(|mc| roots[0].get(mc).next.set(mc, None));
    let helped = heap.clone();
    loom::explore();
    let helper = spawn(move || helped.core().mark_some(&mut None, u64::MAX));
    finish(&heap);
    cycle(&heap);
    let _ = helper.join().unwrap();
    main.enter(|mc| roots.each_ref().map(|root| root.get(mc).stamp.lives()));
}

/// The same, and the object that is handed over has a cell, which the mutator writes with its barrier off.
fn abandoned_and_written() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let root: SharedRoot = main.enter(|mc| Root::new(mc, Gc::new(mc, Shared::new(0, None))));
    begin(&heap);
    // Shades it.
    main.enter(|mc| drop(SharedRoot::new(mc, root.get(mc))));
    let (helped, driven) = (heap.clone(), heap.clone());
    loom::explore();
    let helper = spawn(move || helped.core().help_marking(|| true));
    heap.core().abandon_cycle(None);
    let driver = spawn(move || finish(&driven));
    thread::yield_now();
    main.enter(|mc| root.get(mc).cell.lock(mc).set(None));
    driver.join().unwrap();
    let _ = helper.join().unwrap();
    main.enter(|mc| root.get(mc).stamp.lives());
}

/// 0 → 1 → 2, rooted. A mutator has taken 1 from 0, and answers a round at the moment it is asked for; what it hands over a helper marks
/// at once. Only then does it take 2 from 1, which it has not handed over when the round ends.
fn answered_at_once() {
    let heap = heap(Barrier::Deletion);
    let mut main = heap.attach();
    let root: NodeRoot = main.enter(|mc| {
        let grandchild = Gc::new(mc, Node::new(2, None));
        let child = Gc::new(mc, Node::new(1, Some(grandchild)));
        Root::new(mc, Gc::new(mc, Node::new(0, Some(child))))
    });
    begin(&heap);
    let (driven, helped) = (heap.clone(), heap.clone());
    let (driver, helper) = main.enter(|mc| {
        let object = root.get(mc);
        let child = object.next.get().unwrap();
        object.next.set(mc, None);
        loom::explore();
        let driver = spawn(move || finish(&driven));
        let helper = spawn(move || mark_once(&helped));
        thread::yield_now();
        mc.state().poll();
        let grandchild = child.next.get();
        child.next.set(mc, None);
        object.next.set(mc, grandchild);
        (driver, helper)
    });
    driver.join().unwrap();
    helper.join().unwrap();
    main.enter(|mc| root.get(mc).next.get().unwrap().stamp.lives());
}

pub(super) fn models() -> Vec<Model> {
    vec![
        model("helping marker".into(), BOUND, help),
        model("small steps".into(), BOUND, steps),
        model("slice in pieces".into(), BOUND, slice),
        model("helper in an abandoned cycle".into(), BOUND, abandoned),
        model("abandoned and written".into(), BOUND, abandoned_and_written),
        model("late helper".into(), BOUND, come_late),
        model("round answered at once".into(), BOUND, answered_at_once),
    ]
}

pub(super) const TWINS: &[Caught] = &[
    ("helping marker", Twin::MarkerBeforeBlock),
    ("helping marker", Twin::ActiveNotCounted),
    ("small steps", Twin::EdgesForgotten),
    ("slice in pieces", Twin::RestsForgotten),
    ("helper in an abandoned cycle", Twin::OpenWhenAbandoned),
    ("abandoned and written", Twin::OpenWhenAbandoned),
    ("late helper", Twin::WorklistStaysOpen),
    ("round answered at once", Twin::RoundNotedLate),
];

#[test]
fn a_helper_marks_for_the_cycle_it_is_in() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
