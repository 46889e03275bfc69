//! Several threads build one graph on one heap and walk it while the others still build.
//!
//! Each thread adds nodes to its own chain, whose head is in a shared table, and links them to nodes of all chains. At
//! the end each thread walks its chain and adds up what it finds.

use std::thread;

use tricolor_gc::{Gc, GcMutex, GcSlot, Heap, Mutation, Root, Rootable, Trace};

const THREADS: usize = 4;
const NODES: u64 = 50_000;
/// Nodes that a thread adds between two boundaries.
const BATCH: u64 = 1_000;

#[derive(Trace)]
struct Node<'gc> {
    value: u64,
    /// The node of the same thread before this one.
    previous: Option<Gc<'gc, Node<'gc>>>,
    /// A node of any thread, replaced again and again.
    neighbour: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    /// Values that other threads left here.
    visits: GcMutex<Vec<Gc<'gc, u64>>>,
}

#[derive(Trace)]
struct Graph<'gc> {
    heads: [GcSlot<Option<Gc<'gc, Node<'gc>>>>; THREADS],
}

type SharedGraph = Root<Rootable![Graph<'_>]>;

fn main() {
    let heap = Heap::new();
    let graph: SharedGraph = heap.attach().enter(|mc| {
        let heads = std::array::from_fn(|_| GcSlot::new(None));
        Root::new(mc, Gc::new(mc, Graph { heads }))
    });

    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (heap, graph) = (heap.clone(), graph.clone());
            thread::spawn(move || build_and_walk(&heap, &graph, thread))
        })
        .collect();
    let sum: u64 = threads
        .into_iter()
        .map(|thread| thread.join().expect("a thread failed"))
        .sum();

    let nodes = NODES * THREADS as u64;
    let expected = nodes * (nodes - 1) / 2;
    println!("checksum {sum}, expected {expected}");
    println!("with the graph:    {}", heap.collect());
    drop(graph);
    println!("without the graph: {}", heap.collect());
    assert_eq!(sum, expected);
    assert_eq!(heap.stats().objects_live, 0);
}

fn build_and_walk(heap: &Heap, graph: &SharedGraph, thread: usize) -> u64 {
    let mut mutator = heap.attach();
    for start in (0..NODES).step_by(BATCH as usize) {
        mutator.enter(|mc| {
            let graph = graph.get(mc);
            for i in start..start + BATCH {
                add_node(mc, &graph, thread, i);
            }
        });
    }
    mutator.enter(|mc| {
        let mut sum = 0;
        let mut next = graph.get(mc).heads[thread].get();
        while let Some(node) = next {
            sum += node.value;
            next = node.previous;
        }
        sum
    })
}

fn add_node<'gc>(mc: &Mutation<'gc>, graph: &Graph<'gc>, thread: usize, i: u64) {
    let other = graph.heads[(thread + i as usize) % THREADS].get();
    let node = Node {
        value: thread as u64 * NODES + i,
        previous: graph.heads[thread].get(),
        neighbour: GcSlot::new(other),
        visits: GcMutex::new(Vec::new()),
    };
    let node = Gc::new(mc, node);
    if let Some(other) = other {
        other.neighbour.set(mc, Some(node));
        let mut visits = other.visits.lock(mc);
        visits.push(Gc::new(mc, i));
        if visits.len() > 4 {
            visits.clear();
        }
    }
    graph.heads[thread].set(mc, Some(node));
}
