//! What the benchmarks share.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::time::{Duration, Instant};

use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Mutator, Root, Rootable, StepStatus, Trace};

/// A node of two pointers and two words.
#[derive(Trace)]
pub struct Node<'gc> {
    pub left: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    pub right: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    pub value: u64,
    pub more: u64,
}

pub type Nodes = Rootable![Node<'_>];

impl<'gc> Node<'gc> {
    pub fn new(value: u64) -> Self {
        Node {
            left: GcSlot::new(None),
            right: GcSlot::new(None),
            value,
            more: 0,
        }
    }

    /// A full tree, its nodes in the order in which a depth-first walk meets them.
    pub fn tree(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Node<'gc>> {
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
pub fn steady(
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
pub fn marking() -> (Mutator, Root<Nodes>) {
    let heap = Heap::builder()
        .marker_threads(0)
        .build()
        .expect("settings in range");
    let mut mutator = heap.attach();
    let root = mutator.enter(|mc| Root::new(mc, Node::tree(mc, 18)));
    // The tree is larger than the smallest heap: a cycle is due. A few small steps arm the barrier.
    for _ in 0..8 {
        assert_ne!(
            mutator.step(64),
            StepStatus::Completed,
            "the steps are too large"
        );
    }
    (mutator, root)
}

/// A mutator of a heap where no cycle runs.
pub fn idle() -> Mutator {
    Heap::builder()
        .min_heap(1 << 30)
        .build()
        .expect("settings in range")
        .attach()
}
