//! The workloads for collectors whose `Gc` is cloned like an `Rc` and found by counts or by scanning.
//!
//! Included by a package per collector, each with a module `system` that names its `Gc`, its cell and its
//! derives; the feature `finalize` says that it wants a second one, `by-hand` that it has none and collects when asked.

use std::process::ExitCode;

use peers_common::{Latency, Random, Request, depths, mix, run};

#[cfg(feature = "finalize")]
use crate::system::Finalize;
use crate::system::{Gc, Mutable, Trace};

/// `Trace` for a collector that has no derive: what it visits.
macro_rules! trace_by_hand {
    ($name:ident: $($field:ident),*) => {
        #[cfg(feature = "by-hand")]
        impl Trace for $name {
            fn trace(&self, tracer: &mut crate::system::Tracer) {
                $(self.$field.trace(tracer);)*
            }
        }
    };
}

/// Between two pieces of work: a collector that runs when asked may be asked here.
#[inline(always)]
fn poll() {
    #[cfg(feature = "by-hand")]
    crate::system::poll();
}

/// The program.
pub fn main() -> ExitCode {
    run(workloads)
}

fn workloads(request: &Request) -> Option<u64> {
    let size = |index| request.size(index);
    Some(match request.workload.as_str() {
        "binary-trees" => binary_trees(size(0) as u32),
        "gcbench" => gcbench(size(0) as u32),
        "churn" => churn(size(0), size(1)),
        "graph" => rewiring(size(0), size(1)),
        "rings" => rings(size(0), size(1)),
        "traversal" => traversal(size(0) as u32, size(1)),
        "latency" => latency(size(0) as u32, size(1)),
        _ => return None,
    })
}

#[cfg_attr(not(feature = "by-hand"), derive(Trace))]
#[cfg_attr(feature = "finalize", derive(Finalize))]
struct Tree {
    left: Option<Gc<Tree>>,
    right: Option<Gc<Tree>>,
}

trace_by_hand!(Tree: left, right);

impl Tree {
    fn bottom_up(depth: u32) -> Gc<Tree> {
        let child = || (depth > 0).then(|| Tree::bottom_up(depth - 1));
        Gc::new(Tree {
            left: child(),
            right: child(),
        })
    }

    fn count(&self) -> u64 {
        let count = |child: &Option<Gc<Tree>>| child.as_ref().map_or(0, |tree| tree.count());
        1 + count(&self.left) + count(&self.right)
    }
}

fn binary_trees(max: u32) -> u64 {
    let mut checksum = Tree::bottom_up(max + 1).count();
    let long_lived = Tree::bottom_up(max);
    for (depth, trees) in depths(max) {
        let count = |_| {
            poll();
            Tree::bottom_up(depth).count()
        };
        let sum = (0..trees).map(count).sum();
        checksum = mix(checksum, sum);
    }
    mix(checksum, long_lived.count())
}

#[cfg_attr(not(feature = "by-hand"), derive(Trace))]
#[cfg_attr(feature = "finalize", derive(Finalize))]
struct Node {
    left: Mutable<Option<Gc<Node>>>,
    right: Mutable<Option<Gc<Node>>>,
    i: u64,
    j: u64,
}

trace_by_hand!(Node: left, right);

impl Node {
    fn new(left: Option<Gc<Node>>, right: Option<Gc<Node>>) -> Gc<Node> {
        Gc::new(Node {
            left: Mutable::new(left),
            right: Mutable::new(right),
            i: 0,
            j: 0,
        })
    }

    fn populate(&self, depth: u32) {
        if depth > 0 {
            let (left, right) = (Node::new(None, None), Node::new(None, None));
            *self.left.borrow_mut() = Some(left.clone());
            *self.right.borrow_mut() = Some(right.clone());
            left.populate(depth - 1);
            right.populate(depth - 1);
        }
    }

    fn bottom_up(depth: u32) -> Gc<Node> {
        let child = || (depth > 0).then(|| Node::bottom_up(depth - 1));
        Node::new(child(), child())
    }

    fn count(&self) -> u64 {
        let count = |child: &Mutable<Option<Gc<Node>>>| {
            child.borrow().as_ref().map_or(0, |node| node.count())
        };
        1 + self.i + self.j + count(&self.left) + count(&self.right)
    }

    fn first(&self) -> u64 {
        self.left.borrow().as_ref().map_or(0, |left| left.i) + 1
    }
}

fn gcbench(max: u32) -> u64 {
    drop(Node::bottom_up(max + 2));
    let long_lived = Node::new(None, None);
    long_lived.populate(max);
    let array: Vec<f64> = (0..500_000).map(|i| 1.0 / (i + 1) as f64).collect();
    let mut checksum = 0;
    for (depth, trees) in depths(max) {
        let mut sum = 0;
        for _ in 0..trees / 2 {
            poll();
            let top = Node::new(None, None);
            top.populate(depth);
            sum += top.first();
        }
        for _ in 0..trees / 2 {
            poll();
            sum += Node::bottom_up(depth).first();
        }
        checksum = mix(checksum, sum);
    }
    mix(checksum, long_lived.count() + (array[1000] * 1e9) as u64)
}

#[cfg_attr(not(feature = "by-hand"), derive(Trace))]
#[cfg_attr(feature = "finalize", derive(Finalize))]
struct Item {
    value: u64,
    next: Mutable<Option<Gc<Item>>>,
}

trace_by_hand!(Item: next);

fn item(value: u64) -> Gc<Item> {
    Gc::new(Item {
        value,
        next: Mutable::new(None),
    })
}

fn churn(live: u64, operations: u64) -> u64 {
    let mut oldest = item(0);
    let mut newest = oldest.clone();
    let mut sum = 0;
    for value in 1..live + operations {
        poll();
        let last = item(value);
        *newest.next.borrow_mut() = Some(last.clone());
        newest = last;
        if value >= live {
            sum += oldest.value;
            let next = oldest
                .next
                .borrow_mut()
                .take()
                .expect("the queue is not empty");
            oldest = next;
        }
    }
    finish(sum)
}

/// Ends the program without taking the data apart, which some of these collectors do by recursion.
fn finish(checksum: u64) -> u64 {
    peers_common::print_and_exit(checksum)
}

#[cfg_attr(not(feature = "by-hand"), derive(Trace))]
#[cfg_attr(feature = "finalize", derive(Finalize))]
struct Vertex {
    id: u64,
    edges: [Mutable<Option<Gc<Vertex>>>; 4],
}

trace_by_hand!(Vertex: edges);

fn rewiring(nodes: u64, stores: u64) -> u64 {
    let none = || std::array::from_fn(|_| Mutable::new(None));
    let mut table: Vec<Gc<Vertex>> = (0..nodes)
        .map(|id| Gc::new(Vertex { id, edges: none() }))
        .collect();
    let mut random = Random::new();
    for done in 0..stores {
        poll();
        let from = random.below(nodes) as usize;
        if done % 10 == 9 {
            let old = table[from].clone();
            let edges = std::array::from_fn(|i| Mutable::new(old.edges[i].borrow().clone()));
            table[from] = Gc::new(Vertex {
                id: old.id + nodes,
                edges,
            });
        } else {
            let to = table[random.below(nodes) as usize].clone();
            *table[from].edges[(done & 3) as usize].borrow_mut() = Some(to);
        }
    }
    let checksum = table.iter().fold(0, |sum, vertex| {
        let ids = vertex
            .edges
            .iter()
            .map(|edge| edge.borrow().as_ref().map_or(0, |to| to.id));
        mix(sum, ids.fold(vertex.id, u64::wrapping_add))
    });
    finish(checksum)
}

#[cfg_attr(not(feature = "by-hand"), derive(Trace))]
#[cfg_attr(feature = "finalize", derive(Finalize))]
struct Bead {
    value: u64,
    next: Mutable<Option<Gc<Bead>>>,
    previous: Mutable<Option<Gc<Bead>>>,
}

trace_by_hand!(Bead: next, previous);

fn bead(value: u64, previous: Option<Gc<Bead>>) -> Gc<Bead> {
    Gc::new(Bead {
        value,
        next: Mutable::new(None),
        previous: Mutable::new(previous),
    })
}

fn ring(length: u64, value: u64) -> Gc<Bead> {
    let first = bead(value, None);
    let mut last = first.clone();
    for i in 1..length {
        let next = bead(value + i, Some(last.clone()));
        *last.next.borrow_mut() = Some(next.clone());
        last = next;
    }
    *last.next.borrow_mut() = Some(first.clone());
    *first.previous.borrow_mut() = Some(last);
    first
}

fn walk(first: &Gc<Bead>) -> u64 {
    let (mut sum, mut bead) = (0, first.clone());
    loop {
        sum += bead.value;
        let next = bead.next.borrow().clone().expect("a ring has no end");
        bead = next;
        if std::ptr::eq::<Bead>(&*bead, &**first) {
            return sum;
        }
    }
}

fn rings(rings: u64, length: u64) -> u64 {
    let one = |done| {
        poll();
        walk(&ring(length, done))
    };
    (0..rings).map(one).sum()
}

#[cfg_attr(not(feature = "by-hand"), derive(Trace))]
#[cfg_attr(feature = "finalize", derive(Finalize))]
struct Valued {
    left: Option<Gc<Valued>>,
    right: Option<Gc<Valued>>,
    value: u64,
    depth: u64,
}

trace_by_hand!(Valued: left, right);

fn build(depth: u32, next: &mut u64) -> Gc<Valued> {
    let mut child = || (depth > 0).then(|| build(depth - 1, next));
    let (left, right) = (child(), child());
    let value = *next;
    *next += 1;
    Gc::new(Valued {
        left,
        right,
        value,
        depth: u64::from(depth),
    })
}

fn sum(tree: &Valued) -> u64 {
    let child = |child: &Option<Gc<Valued>>| child.as_ref().map_or(0, |tree| sum(tree));
    (tree.value ^ tree.depth)
        .wrapping_add(child(&tree.left))
        .wrapping_add(child(&tree.right))
}

fn traversal(depth: u32, rounds: u64) -> u64 {
    let tree = build(depth, &mut 0);
    (0..rounds).fold(0, |checksum: u64, _| {
        checksum
            .rotate_left(1)
            .wrapping_add(sum(std::hint::black_box(&*tree)))
    })
}

fn live(depth: u32) -> Gc<Valued> {
    let child = || (depth > 1).then(|| live(depth - 1));
    let (left, right) = (child(), child());
    Gc::new(Valued {
        left,
        right,
        value: u64::from(depth),
        depth: 1,
    })
}

#[cfg_attr(not(feature = "by-hand"), derive(Trace))]
#[cfg_attr(feature = "finalize", derive(Finalize))]
struct Cons {
    next: Option<Gc<Cons>>,
    value: u64,
    more: [u64; 2],
}

trace_by_hand!(Cons: next);

fn latency(depth: u32, batches: u64) -> u64 {
    const WINDOW: usize = 64;
    let tree = live(depth);
    let mut window: [Option<Gc<Cons>>; WINDOW] = [const { None }; WINDOW];
    let (mut latency, mut total) = (Latency::start(batches), 0u64);
    for batch in 0..batches {
        poll();
        let head: Option<Gc<Cons>> = (0..1000).fold(None, |next, i| {
            Some(Gc::new(Cons {
                next,
                value: batch + i,
                more: [i, 0],
            }))
        });
        total = total.wrapping_add(head.as_ref().map_or(0, |cons| cons.value + cons.more[0]));
        window[batch as usize % WINDOW] = head;
        latency.lap();
    }
    latency.print();
    finish(total.wrapping_add(tree.value))
}
