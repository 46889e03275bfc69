//! What the benchmarks share.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::time::{Duration, Instant};

use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Mutator, Root, Rootable, StepStatus, Trace};

/// A node of two pointers and two words.
#[derive(Trace)]
pub(crate) struct Node<'gc> {
    pub(crate) left: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    pub(crate) right: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    pub(crate) value: u64,
    pub(crate) more: u64,
}

pub(crate) type Nodes = Rootable![Node<'_>];

impl<'gc> Node<'gc> {
    pub(crate) fn new(value: u64) -> Self {
        Node {
            left: GcSlot::new(None),
            right: GcSlot::new(None),
            value,
            more: 0,
        }
    }

    /// A full tree, its nodes in the order in which a depth-first walk meets them.
    pub(crate) fn tree(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Node<'gc>> {
        let node = Gc::new(mc, Node::new(u64::from(depth)));
        if depth > 0 {
            node.left.set(mc, Some(Node::tree(mc, depth - 1)));
            node.right.set(mc, Some(Node::tree(mc, depth - 1)));
        }
        node
    }
}

/// The time of `iterations` calls of `operation`, leaving `enter` when the collector asks for it: what a program sees in the
/// long run, boundaries and its part of the cycles included.
pub(crate) fn steady(
    mutator: &mut Mutator,
    iterations: u64,
    mut operation: impl for<'gc> FnMut(&'gc Mutation<'gc>),
) -> Duration {
    let start = Instant::now();
    let mut done = 0;
    while done < iterations {
        mutator.enter(|mc| {
            while done < iterations && !mc.should_yield() {
                operation(mc);
                done += 1;
            }
        });
    }
    start.elapsed()
}

/// A mutator of a heap that stays in the middle of marking for as long as nobody makes a step, and what keeps its objects.
pub(crate) fn marking() -> (Mutator, Root<Nodes>) {
    let builder = Heap::builder().marker_threads(0).min_heap(1 << 30);
    let mut mutator = builder.build().expect("settings in range").attach();
    let root = mutator.enter(|mc| Root::new(mc, Node::tree(mc, 18)));
    // External memory makes a cycle due. The first pays for the tree's allocation and ends at once; of the second, this and
    // a few small steps arm the barrier and leave almost all of the tree to mark.
    for _ in 0..2 {
        let trigger = mutator.heap().stats().trigger;
        mutator.enter(|mc| mc.account(trigger as isize));
    }
    for _ in 0..16 {
        mutator.step(64);
    }
    assert_eq!(mutator.step(64), StepStatus::InProgress, "no cycle marks");
    (mutator, root)
}

/// A mutator of a heap where no cycle runs.
pub(crate) fn idle() -> Mutator {
    Heap::builder()
        .min_heap(1 << 30)
        .build()
        .expect("settings in range")
        .attach()
}
