//! Stops without barriers, and what is given up: StopTheWorld beside a mutator that comes in the middle, beside two that step, and with
//! a `trace` that panics in the stop; a cycle abandoned from outside beside a writer, an upgrade and a mutator that assists.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::harness::{
    Bound, Caught, Model, are_caught, begin, cycle, drive, heap, hold, is_freed, model,
    must_be_freed, mutator, polls, spawn, switch_point, trace_panics,
};
use super::objects::{Bomb, Node, Shared, Weak};
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::{Barrier, Gc, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };
const NARROW: Bound = Bound { preemptions: 1 };

type NodeRoot = Root<Rootable![Node<'_>]>;
type SharedRoot = Root<Rootable![Shared<'_>]>;
type WeakRoot = Root<Rootable![Weak<'_>]>;
type BombRoot = Root<Rootable![Bomb<'_>]>;

/// A mutator that is attached in the middle takes 2 out of a cell into a new object, in two turns; 3 is garbage.
fn attached_meanwhile() {
    let heap = heap(Barrier::StopTheWorld);
    let mut main = heap.attach();
    let (shared, node): (SharedRoot, NodeRoot) = main.enter(|mc| {
        let child = Gc::new(mc, Node::new(2, None));
        Gc::new(mc, Node::new(3, None));
        (
            Root::new(mc, Gc::new(mc, Shared::new(0, Some(child)))),
            Root::new(mc, Gc::new(mc, Node::new(1, None))),
        )
    });
    drop(main);
    let (shared2, node2) = (shared.clone(), node.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let (from, to) = (shared2.get(mc), node2.get(mc));
            let link = from.cell.lock(mc).get();
            from.cell.lock(mc).set(None);
            thread::yield_now();
            polls(mc);
            let new = Gc::new(mc, Node::new(4, link));
            to.next.set(mc, Some(new));
        });
        m.enter(|mc| node2.get(mc).next.get().unwrap().stamp.lives());
    });
    cycle(&heap);
    must_be_freed(3);
    thread.join().unwrap();
    cycle(&heap);
    let mut main = heap.attach();
    main.enter(|mc| {
        let new = node.get(mc).next.get().unwrap();
        new.stamp.lives();
        new.next.get().unwrap().stamp.lives();
    });
}

/// Two threads take the cycle on in the smallest steps while a mutator takes 1 out of 0; 2 is garbage.
fn stepped() {
    let heap = heap(Barrier::StopTheWorld);
    let mut main = heap.attach();
    let node: NodeRoot = main.enter(|mc| {
        let child = Gc::new(mc, Node::new(1, None));
        Gc::new(mc, Node::new(2, None));
        Root::new(mc, Gc::new(mc, Node::new(0, Some(child))))
    });
    let _ = heap.core().request_new_cycle();
    let stepping = heap.clone();
    loom::explore();
    let other = spawn(move || {
        for _ in 0..3 {
            let _ = stepping.core().step(1);
            switch_point();
        }
        stepping.core().help_marking(|| true);
    });
    let held: NodeRoot = main.enter(|mc| {
        let child = node.get(mc).next.swap(mc, None).unwrap();
        polls(mc);
        child.stamp.lives();
        Root::new(mc, child)
    });
    while heap.core().status.lock().completed == 0 {
        let _ = heap.core().step(1);
        thread::yield_now();
    }
    other.join().unwrap();
    must_be_freed(2);
    main.enter(|mc| held.get(mc).stamp.lives());
}

/// A `trace` panics in the stop: that cycle frees nothing, the next one does. Meanwhile a mutator moves 3 and makes a weak reference to it.
fn panic_in_stop() {
    let heap = heap(Barrier::StopTheWorld);
    let mut main = heap.attach();
    let (bomb, node) = main.enter(|mc| {
        let old = Gc::new(mc, Node::new(2, None));
        let moved = Gc::new(mc, Node::new(3, None));
        Gc::new(mc, Node::new(4, None));
        let bomb: BombRoot = Root::new(mc, Gc::new(mc, Bomb::new(0, Some(old))));
        let node: NodeRoot = Root::new(mc, Gc::new(mc, Node::new(1, Some(moved))));
        (bomb, node)
    });
    let marked = heap.clone();
    trace_panics(true);
    let _ = heap.core().request_new_cycle();
    loom::explore();
    let marker = spawn(move || {
        drive(&marked, |_| false);
        if is_freed(4) {
            violation("freed in an abandoned cycle".to_owned())
        }
    });
    let weak: WeakRoot = main.enter(|mc| {
        let (bomb, node) = (bomb.get(mc), node.get(mc));
        let link = node.next.get();
        let _ = catch_unwind(AssertUnwindSafe(|| bomb.cell.borrow_mut(mc).0.set(link)));
        switch_point();
        node.next.set(mc, None);
        Root::new(
            mc,
            Gc::new(mc, Weak::new(5, Gc::downgrade(link.unwrap(), mc))),
        )
    });
    main.enter(|mc| weak.get(mc).target.upgrade(mc).unwrap().stamp.lives());
    marker.join().unwrap();
    heap.core().status.lock().panic = None;
    trace_panics(false);
    cycle(&heap);
    must_be_freed(4);
    must_be_freed(2);
    main.enter(|mc| {
        bomb.get(mc).cell.borrow().0.get().unwrap().stamp.lives();
        weak.get(mc).target.upgrade(mc).unwrap().stamp.lives();
    });
}

/// The cycle is abandoned in the middle, by a mutator that has taken 1 from a weak reference and puts it in a cell for a moment.
fn given_up(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (shared, weak): (SharedRoot, WeakRoot) = main.enter(|mc| {
        let target = Gc::new(mc, Node::new(1, None));
        let child = Gc::new(mc, Node::new(2, None));
        (
            Root::new(mc, Gc::new(mc, Shared::new(0, Some(child)))),
            Root::new(mc, Gc::new(mc, Weak::new(3, Gc::downgrade(target, mc)))),
        )
    });
    begin(&heap);
    let (driven, shared2, weak2) = (heap.clone(), shared.clone(), weak.clone());
    loom::explore();
    let driver = spawn(move || drive(&driven, |_| false));
    let kept: Option<NodeRoot> = main.enter(|mc| {
        let target = weak2.get(mc).target.upgrade(mc);
        heap.core().abandon_cycle(None);
        let object = shared2.get(mc);
        let link = object.cell.lock(mc).get();
        object.cell.lock(mc).set(target);
        polls(mc);
        object.cell.lock(mc).set(link);
        target.inspect(|target| target.stamp.lives());
        target.map(|target| Root::new(mc, target))
    });
    let _ = heap.core().assist_at_boundary();
    driver.join().unwrap();
    loom::stop_exploring();
    cycle(&heap);
    loom::explore();
    main.enter(|mc| {
        shared.get(mc).cell.lock(mc).get().unwrap().stamp.lives();
        let target = weak.get(mc).target.upgrade(mc);
        target.inspect(|target| target.stamp.lives());
        if let Some(kept) = &kept {
            kept.get(mc).stamp.lives();
            if target.is_none() {
                violation("a weak reference to a live object fails".to_owned());
            }
        }
    });
}

pub(super) fn models() -> Vec<Model> {
    let mut models = vec![
        model("stop, attached meanwhile".into(), BOUND, attached_meanwhile),
        model("stop, stepped".into(), NARROW, stepped),
        model("stop, trace panics".into(), BOUND, panic_in_stop),
    ];
    for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
        let name = format!("given up, {barrier}");
        models.push(model(name, BOUND, move || given_up(barrier)));
    }
    models
}

pub(super) const TWINS: &[Caught] = &[
    ("stop, attached meanwhile", Twin::StopTakesSome),
    ("stop, attached meanwhile", Twin::EntersDuringStop),
    ("stop, trace panics", Twin::PanicForgotten),
    ("stop, stepped", Twin::StopTakesSome),
    ("given up, insertion", Twin::ClearedWhenAbandoned),
    ("given up, deletion", Twin::ClearedWhenAbandoned),
    ("given up, hybrid", Twin::ClearedWhenAbandoned),
];

#[test]
fn stops_lose_nothing() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
