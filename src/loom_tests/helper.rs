//! A second marker that helps: it takes blocks from the worklist while the driver marks, and has nothing but the worklist to
//! tell it which cycle it is in.

use super::harness::{
    Bound, Caught, Model, are_caught, cycle, heap, hold, model, must_be_freed, spawn, switch_point,
};
use super::objects::{Node, Shared};
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };

type NodeRoot = Root<Rootable![Node<'_>]>;

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
    let helper = spawn(move || helped.core().help_marking());
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
    let shared: Root<Rootable![Shared<'_>]> =
        main.enter(|mc| Root::new(mc, Gc::new(mc, Shared::new(4, None))));
    let _ = heap.core().request_new_cycle();
    let stepping = heap.clone();
    loom::explore();
    let other = spawn(move || {
        for _ in 0..4 {
            let _ = stepping.core().step(1);
            switch_point();
        }
    });
    while heap.core().status.lock().completed == 0 {
        let _ = heap.core().step(1);
        thread::yield_now();
    }
    other.join().unwrap();
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

pub(super) fn models() -> Vec<Model> {
    vec![
        model("helping marker".into(), BOUND, help),
        model("small steps".into(), BOUND, steps),
    ]
}

pub(super) const TWINS: &[Caught] = &[
    ("helping marker", Twin::MarkerBeforeBlock),
    ("helping marker", Twin::ActiveNotCounted),
    ("small steps", Twin::EdgesForgotten),
];

#[test]
fn a_helper_marks_for_the_cycle_it_is_in() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
