//! `GcSlot` under the three barriers: one mutator against the marker, and the three ways to hide an object from it.

use super::harness::{self, Bound, cycle, heap, holds, is_caught, must_live, mutator};
use super::objects::Node;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };

type NodeRoot = Root<Rootable![Node<'_>]>;

/// How an object is hidden from the marker.
#[derive(Clone, Copy)]
enum Hiding {
    /// Loaded from one object, stored into another, deleted from the first.
    Delete,
    /// Loaded and deleted; only the stack has it.
    Stack,
    /// As `Delete`, into an object made meanwhile.
    NewObject,
}

/// Objects 0 and 1 are rooted; 0 → 2; 3 is garbage.
fn hide(barrier: Barrier, hiding: Hiding) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (a, b): (NodeRoot, NodeRoot) = main.enter(|mc| {
        let hidden = Gc::new(mc, Node::new(2, None));
        Gc::new(mc, Node::new(3, None));
        let a = Gc::new(mc, Node::new(0, Some(hidden)));
        let b = Gc::new(mc, Node::new(1, None));
        (Root::new(mc, a), Root::new(mc, b))
    });
    let (a2, b2) = (a.clone(), b.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let (a, b) = (a2.get(mc), b2.get(mc));
            let Some(hidden) = a.next.get() else { return };
            match hiding {
                Hiding::Delete => b.next.set(mc, Some(hidden)),
                Hiding::Stack => {}
                Hiding::NewObject => b.next.set(mc, Some(Gc::new(mc, Node::new(4, Some(hidden))))),
            }
            a.next.set(mc, None);
            harness::switch_point();
            must_live(hidden.stamp.0);
        });
    });
    cycle(&heap);
    thread.join().unwrap();
    harness::must_be_freed(3);
    main.enter(|mc| {
        must_live(0);
        must_live(1);
        let mut next = b.get(mc).next.get();
        while let Some(node) = next {
            must_live(node.stamp.0);
            next = node.next.get();
        }
    });
    drop((a, b));
}

#[test]
fn hide_insertion() {
    holds("hide by delete, Insertion", BOUND, || hide(Barrier::Insertion, Hiding::Delete));
}

#[test]
fn hide_hybrid() {
    holds("hide by delete, Hybrid", BOUND, || hide(Barrier::Hybrid, Hiding::Delete));
}

#[test]
fn hide_twin() {
    is_caught("hide by delete, Hybrid", Twin::NoBarrier, BOUND, || hide(Barrier::Hybrid, Hiding::Stack));
}
