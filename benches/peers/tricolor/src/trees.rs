//! binary-trees, GCBench, and binary-trees on two threads of one heap.

use std::thread;

use peers_common::{depths, mix};
use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Mutator, Root, Rootable, Trace};

#[derive(Trace)]
struct Tree<'gc> {
    left: Option<Gc<'gc, Tree<'gc>>>,
    right: Option<Gc<'gc, Tree<'gc>>>,
}

impl<'gc> Tree<'gc> {
    fn bottom_up(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Tree<'gc>> {
        let child = || (depth > 0).then(|| Tree::bottom_up(mc, depth - 1));
        let tree = Tree {
            left: child(),
            right: child(),
        };
        Gc::new(mc, tree)
    }

    fn count(&self) -> u64 {
        let count = |child: Option<Gc<'gc, Tree<'gc>>>| child.map_or(0, |tree| tree.count());
        1 + count(self.left) + count(self.right)
    }
}

/// Makes `times` trees by `make` and adds up what it returns, leaving `enter` when the collector asks for it.
fn repeat(
    mutator: &mut Mutator,
    times: u64,
    make: impl for<'gc> Fn(&'gc Mutation<'gc>) -> u64,
) -> u64 {
    let (mut sum, mut done) = (0, 0);
    while done < times {
        mutator.enter(|mc| {
            while done < times {
                sum += make(mc);
                done += 1;
                if mc.should_yield() {
                    break;
                }
            }
        });
    }
    sum
}

pub fn binary_trees(heap: &Heap, max: u32) -> u64 {
    let mutator = &mut heap.attach();
    let mut checksum = mutator.enter(|mc| Tree::bottom_up(mc, max + 1).count());
    let long_lived: Root<Rootable![Tree<'_>]> =
        mutator.enter(|mc| Root::new(mc, Tree::bottom_up(mc, max)));
    for (depth, trees) in depths(max) {
        let sum = repeat(mutator, trees, |mc| Tree::bottom_up(mc, depth).count());
        checksum = mix(checksum, sum);
    }
    mix(checksum, mutator.enter(|mc| long_lived.get(mc).count()))
}

/// Each thread runs binary-trees for itself, all on one heap.
pub fn threads(heap: &Heap, max: u32, threads: u64) -> u64 {
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let heap = heap.clone();
            thread::spawn(move || binary_trees(&heap, max))
        })
        .collect();
    let sums = workers
        .into_iter()
        .map(|worker| worker.join().expect("a thread failed"));
    sums.fold(0, mix)
}

#[derive(Trace)]
struct Node<'gc> {
    left: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    right: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    i: u64,
    j: u64,
}

impl<'gc> Node<'gc> {
    fn new(
        mc: &Mutation<'gc>,
        left: Option<Gc<'gc, Node<'gc>>>,
        right: Option<Gc<'gc, Node<'gc>>>,
    ) -> Gc<'gc, Node<'gc>> {
        Gc::new(
            mc,
            Node {
                left: GcSlot::new(left),
                right: GcSlot::new(right),
                i: 0,
                j: 0,
            },
        )
    }

    /// Gives the node two children, and so on down.
    fn populate(&self, mc: &Mutation<'gc>, depth: u32) {
        if depth > 0 {
            let (left, right) = (Node::new(mc, None, None), Node::new(mc, None, None));
            self.left.set(mc, Some(left));
            self.right.set(mc, Some(right));
            left.populate(mc, depth - 1);
            right.populate(mc, depth - 1);
        }
    }

    fn bottom_up(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Node<'gc>> {
        let child = || (depth > 0).then(|| Node::bottom_up(mc, depth - 1));
        let (left, right) = (child(), child());
        Node::new(mc, left, right)
    }

    fn count(&self) -> u64 {
        let count =
            |child: &GcSlot<Option<Gc<'gc, Node<'gc>>>>| child.get().map_or(0, |node| node.count());
        1 + self.i + self.j + count(&self.left) + count(&self.right)
    }
}

pub fn gcbench(heap: &Heap, max: u32) -> u64 {
    let mutator = &mut heap.attach();
    mutator.enter(|mc| {
        Node::bottom_up(mc, max + 2);
    });
    let long_lived: Root<Rootable![Node<'_>]> = mutator.enter(|mc| {
        let top = Node::new(mc, None, None);
        top.populate(mc, max);
        Root::new(mc, top)
    });
    let array: Root<Rootable![[f64]]> =
        mutator.enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, 500_000, |i| 1.0 / (i + 1) as f64)));
    let mut checksum = 0;
    for (depth, trees) in depths(max) {
        let top_down = repeat(mutator, trees / 2, |mc| {
            let top = Node::new(mc, None, None);
            top.populate(mc, depth);
            top.left.get().map_or(0, |left| left.i) + 1
        });
        let bottom_up = repeat(mutator, trees / 2, |mc| {
            let top = Node::bottom_up(mc, depth);
            top.left.get().map_or(0, |left| left.i) + 1
        });
        checksum = mix(checksum, top_down + bottom_up);
    }
    mutator.enter(|mc| {
        let thousandth = (array.get(mc)[1000] * 1e9) as u64;
        mix(checksum, long_lived.get(mc).count() + thousandth)
    })
}
