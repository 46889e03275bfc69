//! A `trace` that panics, in a marker or in a mutator's barrier, in the middle of a claim: the cell is given back, the cycle
//! frees nothing, and the next one does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::harness::{
    Bound, Caught, Model, are_caught, begin, cycle, drive, heap, hold, is_freed, model,
    must_be_freed, spawn, switch_point, trace_panics,
};
use super::objects::{Bomb, Node};
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::{Barrier, Gc, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };

/// 0 holds 2 in a cell whose contents refuse to be traced, 1 holds 3 in a slot; 4 is garbage. A mutator moves 3 into the cell.
fn explode(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (bomb, node) = main.enter(|mc| {
        let old = Gc::new(mc, Node::new(2, None));
        let moved = Gc::new(mc, Node::new(3, None));
        Gc::new(mc, Node::new(4, None));
        let bomb: Root<Rootable![Bomb<'_>]> = Root::new(mc, Gc::new(mc, Bomb::new(0, Some(old))));
        let node: Root<Rootable![Node<'_>]> = Root::new(mc, Gc::new(mc, Node::new(1, Some(moved))));
        (bomb, node)
    });
    let marked = heap.clone();
    begin(&heap);
    trace_panics(true);
    loom::explore();
    let marker = spawn(move || {
        drive(&marked, |_| false);
        if is_freed(4) {
            violation("a cycle whose trace panicked has freed something".to_owned());
        }
    });
    main.enter(|mc| {
        let (bomb, node) = (bomb.get(mc), node.get(mc));
        let link = node.next.get();
        let written = catch_unwind(AssertUnwindSafe(|| bomb.cell.borrow_mut(mc).0.set(link)));
        switch_point();
        if written.is_ok() {
            node.next.set(mc, None);
        }
    });
    marker.join().unwrap();
    heap.core().status.lock().panic = None;
    trace_panics(false);
    loom::stop_exploring();
    cycle(&heap);
    loom::explore();
    must_be_freed(4);
    main.enter(|mc| {
        let (bomb, node) = (bomb.get(mc), node.get(mc));
        for link in [bomb.cell.borrow().0.get(), node.next.get()] {
            link.inspect(|link| link.stamp.lives());
        }
    });
}

/// The `trace` panics in a second marker, while the driver looks whether there is anything left to mark.
fn explode_elsewhere() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let bomb: Root<Rootable![Bomb<'_>]> = main.enter(|mc| {
        let child = Gc::new(mc, Node::new(2, None));
        Root::new(mc, Gc::new(mc, Bomb::new(0, Some(child))))
    });
    let (driven, helped) = (heap.clone(), heap.clone());
    begin(&heap);
    trace_panics(true);
    loom::explore();
    let driver = spawn(move || drive(&driven, |_| false));
    let _ = helped.core().mark_some(&mut None, u64::MAX);
    thread::yield_now();
    let _ = helped.core().mark_some(&mut None, u64::MAX);
    driver.join().unwrap();
    heap.core().status.lock().panic = None;
    trace_panics(false);
    main.enter(|mc| {
        let child = bomb.get(mc).cell.borrow().0.get();
        child.inspect(|child| child.stamp.lives());
    });
}

pub(super) fn models() -> Vec<Model> {
    let mut models = vec![model(
        "trace panics, elsewhere".into(),
        BOUND,
        explode_elsewhere,
    )];
    for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
        let name = format!("trace panics, {barrier}");
        models.push(model(name, BOUND, move || explode(barrier)));
    }
    models
}

pub(super) const TWINS: &[Caught] = &[
    ("trace panics, deletion", Twin::PanicForgotten),
    ("trace panics, deletion", Twin::BarrierPanicForgotten),
    ("trace panics, deletion", Twin::BusyAfterPanic),
    ("trace panics, insertion", Twin::ActiveAfterPanic),
    ("trace panics, elsewhere", Twin::AbandonsLate),
    ("trace panics, hybrid", Twin::BarrierPanicForgotten),
];

#[test]
fn a_panic_in_trace_loses_nothing() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
