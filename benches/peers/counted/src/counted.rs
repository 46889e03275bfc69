//! The workloads with counted pointers; the module around it says of which kind.

use peers_common::{Latency, Random, Request, depths, mix};

use super::{Counted, Mutable, Slot};
use crate::size32;

pub fn workloads(request: &Request) -> Option<u64> {
    let size = |index| request.size(index);
    Some(match request.workload.as_str() {
        "binary-trees" => binary_trees(size32(request, 0)),
        "gcbench" => gcbench(size32(request, 0)),
        "churn" => churn(size(0), size(1)),
        "graph" => rewiring(size(0), size(1)),
        "rings" => rings(size(0), size(1)),
        "traversal" => traversal(size32(request, 0), size(1)),
        "latency" => latency(size32(request, 0), size(1)),
        "arrays" => random_stores(size(0), size(1)),
        _ => return None,
    })
}

struct Tree {
    left: Option<Counted<Tree>>,
    right: Option<Counted<Tree>>,
}

impl Tree {
    fn bottom_up(depth: u32) -> Counted<Tree> {
        let child = || (depth > 0).then(|| Tree::bottom_up(depth - 1));
        Counted::new(Tree {
            left: child(),
            right: child(),
        })
    }

    fn count(&self) -> u64 {
        let count = |child: &Option<Counted<Tree>>| child.as_ref().map_or(0, |tree| tree.count());
        1 + count(&self.left) + count(&self.right)
    }
}

pub fn binary_trees(max: u32) -> u64 {
    let mut checksum = Tree::bottom_up(max + 1).count();
    let long_lived = Tree::bottom_up(max);
    for (depth, trees) in depths(max) {
        let sum = (0..trees).map(|_| Tree::bottom_up(depth).count()).sum();
        checksum = mix(checksum, sum);
    }
    mix(checksum, long_lived.count())
}

#[derive(Default)]
struct Node {
    left: Mutable<Option<Counted<Node>>>,
    right: Mutable<Option<Counted<Node>>>,
    i: u64,
    j: u64,
}

impl Node {
    fn populate(&self, depth: u32) {
        if depth > 0 {
            let (left, right) = (Counted::<Node>::default(), Counted::<Node>::default());
            *self.left.borrow_mut() = Some(left.clone());
            *self.right.borrow_mut() = Some(right.clone());
            left.populate(depth - 1);
            right.populate(depth - 1);
        }
    }

    fn bottom_up(depth: u32) -> Counted<Node> {
        let child = || Mutable::new((depth > 0).then(|| Node::bottom_up(depth - 1)));
        Counted::new(Node {
            left: child(),
            right: child(),
            i: 0,
            j: 0,
        })
    }

    fn count(&self) -> u64 {
        let count = |child: &Mutable<Option<Counted<Node>>>| {
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
    let long_lived = Counted::<Node>::default();
    long_lived.populate(max);
    let array: Vec<f64> = (0..500_000).map(|i| 1.0 / (i + 1) as f64).collect();
    let mut checksum = 0;
    for (depth, trees) in depths(max) {
        let mut sum = 0;
        for _ in 0..trees / 2 {
            let top = Counted::<Node>::default();
            top.populate(depth);
            sum += top.first();
        }
        sum += (0..trees / 2)
            .map(|_| Node::bottom_up(depth).first())
            .sum::<u64>();
        checksum = mix(checksum, sum);
    }
    mix(checksum, long_lived.count() + (array[1000] * 1e9) as u64)
}

struct Item {
    value: u64,
    next: Mutable<Option<Counted<Item>>>,
}

fn item(value: u64) -> Counted<Item> {
    Counted::new(Item {
        value,
        next: Mutable::default(),
    })
}

fn churn(live: u64, operations: u64) -> u64 {
    let mut oldest = item(0);
    let mut newest = oldest.clone();
    let mut sum = 0;
    for value in 1..live + operations {
        let last = item(value);
        *newest.next.borrow_mut() = Some(last.clone());
        newest = last;
        if value >= live {
            sum += oldest.value;
            let next = oldest.next.take().expect("the queue is not empty");
            oldest = next;
        }
    }
    while let Some(next) = { oldest.next.take() } {
        oldest = next;
    }
    sum
}

struct Vertex {
    id: u64,
    edges: [Mutable<Option<Counted<Vertex>>>; 4],
}

fn rewiring(nodes: u64, stores: u64) -> u64 {
    let mut table: Vec<Counted<Vertex>> = (0..nodes)
        .map(|id| {
            Counted::new(Vertex {
                id,
                edges: Default::default(),
            })
        })
        .collect();
    let mut random = Random::new();
    for done in 0..stores {
        let from = random.below(nodes) as usize;
        if done % 10 == 9 {
            let old = &table[from];
            let vertex = Vertex {
                id: old.id + nodes,
                edges: old.edges.clone(),
            };
            table[from] = Counted::new(vertex);
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
    // Freeing a random graph by counts recurses as deep as the graph is large.
    std::mem::forget(table);
    checksum
}

struct Bead {
    value: u64,
    next: Mutable<Option<Counted<Bead>>>,
    previous: Mutable<Option<Counted<Bead>>>,
}

fn bead(value: u64, previous: Option<Counted<Bead>>) -> Counted<Bead> {
    Counted::new(Bead {
        value,
        next: Mutable::default(),
        previous: Mutable::new(previous),
    })
}

fn ring(length: u64, value: u64) -> Counted<Bead> {
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

fn walk(first: &Counted<Bead>) -> u64 {
    let (mut sum, mut bead) = (0, first.clone());
    loop {
        sum += bead.value;
        let next = bead.next.borrow().clone().expect("a ring has no end");
        bead = next;
        if Counted::ptr_eq(&bead, first) {
            return sum;
        }
    }
}

fn rings(rings: u64, length: u64) -> u64 {
    (0..rings).map(|done| walk(&ring(length, done))).sum()
}

struct Valued {
    left: Option<Counted<Valued>>,
    right: Option<Counted<Valued>>,
    value: u64,
    depth: u64,
}

fn build(depth: u32, next: &mut u64) -> Counted<Valued> {
    let mut child = || (depth > 0).then(|| build(depth - 1, next));
    let (left, right) = (child(), child());
    let value = *next;
    *next += 1;
    Counted::new(Valued {
        left,
        right,
        value,
        depth: u64::from(depth),
    })
}

fn sum(tree: &Valued) -> u64 {
    let child = |child: &Option<Counted<Valued>>| child.as_ref().map_or(0, |tree| sum(tree));
    (tree.value ^ tree.depth)
        .wrapping_add(child(&tree.left))
        .wrapping_add(child(&tree.right))
}

fn traversal(depth: u32, rounds: u64) -> u64 {
    let tree = build(depth, &mut 0);
    (0..rounds).fold(0, |checksum: u64, _| {
        checksum
            .rotate_left(1)
            .wrapping_add(sum(std::hint::black_box(&tree)))
    })
}

struct Live {
    _left: Option<Counted<Live>>,
    _right: Option<Counted<Live>>,
    value: u64,
    _more: u64,
}

fn live(depth: u32) -> Counted<Live> {
    let child = || (depth > 1).then(|| live(depth - 1));
    Counted::new(Live {
        _left: child(),
        _right: child(),
        value: u64::from(depth),
        _more: 1,
    })
}

struct Cons {
    next: Slot<Option<Counted<Cons>>>,
    value: u64,
    more: [u64; 2],
}

fn latency(depth: u32, batches: u64) -> u64 {
    const WINDOW: usize = 64;
    let tree = live(depth);
    let mut window: [Option<Counted<Cons>>; WINDOW] = [const { None }; WINDOW];
    let (mut latency, mut total) = (Latency::start(batches), 0u64);
    for batch in 0..batches {
        let head = (0..1000).fold(None, |next, i| {
            Some(Counted::new(Cons {
                next: Slot::new(next),
                value: batch + i,
                more: [i, 0],
            }))
        });
        total = total.wrapping_add(head.as_ref().map_or(0, |cons| cons.value + cons.more[0]));
        let mut old = std::mem::replace(&mut window[batch as usize % WINDOW], head);
        while let Some(cons) = old {
            old = cons.next.take();
        }
        latency.lap();
    }
    latency.print();
    total.wrapping_add(tree.value)
}

fn random_stores(length: u64, stores: u64) -> u64 {
    let mut array: Vec<Option<Counted<[u64; 2]>>> = vec![None; length as usize];
    let mut random = Random::new();
    for done in 0..stores {
        array[random.below(length) as usize] = Some(Counted::new([done, 1]));
    }
    array.iter().fold(0, |sum, pair| {
        mix(sum, pair.as_ref().map_or(0, |pair| pair[0] + pair[1]))
    })
}
