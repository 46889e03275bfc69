//! Trees: binary-trees, GCBench, traversal, latency.

use gc_arena::{Arena, Collect, Gc, Lock, Mutation, RefLock, Rootable};
use peers_common::{Latency, depths, mix};

use crate::SLICE;

#[derive(Collect)]
#[collect(no_drop)]
struct Tree<'gc> {
    left: Option<Gc<'gc, Tree<'gc>>>,
    right: Option<Gc<'gc, Tree<'gc>>>,
}

impl<'gc> Tree<'gc> {
    fn bottom_up(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Tree<'gc>> {
        let child = || (depth > 0).then(|| Tree::bottom_up(mc, depth - 1));
        Gc::new(
            mc,
            Tree {
                left: child(),
                right: child(),
            },
        )
    }

    fn count(&self) -> u64 {
        let count = |child: Option<Gc<'gc, Tree<'gc>>>| child.map_or(0, |tree| tree.count());
        1 + count(self.left) + count(self.right)
    }
}

/// Makes `trees` trees of a depth, paying the debt about every thousand nodes.
fn repeat<R>(
    arena: &mut Arena<R>,
    depth: u32,
    trees: u64,
    make: impl for<'gc> Fn(&Mutation<'gc>) -> u64,
) -> u64
where
    R: for<'a> gc_arena::Rootable<'a>,
    for<'a> <R as gc_arena::Rootable<'a>>::Root: Sized + Collect<'a>,
{
    let slice = (SLICE >> depth).max(1);
    let (mut sum, mut done) = (0, 0);
    while done < trees {
        let end = trees.min(done + slice);
        sum += arena.mutate(|mc, _| (done..end).map(|_| make(mc)).sum::<u64>());
        done = end;
        arena.collect_debt();
    }
    sum
}

pub fn binary_trees(max: u32) -> u64 {
    let mut arena = Arena::<Rootable![Option<Gc<'_, Tree<'_>>>]>::new(|_| None);
    let mut checksum = arena.mutate(|mc, _| Tree::bottom_up(mc, max + 1).count());
    arena.collect_debt();
    arena.mutate_root(|mc, root| *root = Some(Tree::bottom_up(mc, max)));
    for (depth, trees) in depths(max) {
        let sum = repeat(&mut arena, depth, trees, |mc| {
            Tree::bottom_up(mc, depth).count()
        });
        checksum = mix(checksum, sum);
    }
    mix(
        checksum,
        arena.mutate(|_, root| root.map_or(0, |tree| tree.count())),
    )
}

#[derive(Collect)]
#[collect(no_drop)]
struct Node<'gc> {
    left: Option<NodePtr<'gc>>,
    right: Option<NodePtr<'gc>>,
    i: u64,
    j: u64,
}

type NodePtr<'gc> = Gc<'gc, RefLock<Node<'gc>>>;

fn node<'gc>(
    mc: &Mutation<'gc>,
    left: Option<NodePtr<'gc>>,
    right: Option<NodePtr<'gc>>,
) -> NodePtr<'gc> {
    Gc::new(
        mc,
        RefLock::new(Node {
            left,
            right,
            i: 0,
            j: 0,
        }),
    )
}

fn populate<'gc>(mc: &Mutation<'gc>, top: NodePtr<'gc>, depth: u32) {
    if depth > 0 {
        let (left, right) = (node(mc, None, None), node(mc, None, None));
        let mut top = top.borrow_mut(mc);
        (top.left, top.right) = (Some(left), Some(right));
        drop(top);
        populate(mc, left, depth - 1);
        populate(mc, right, depth - 1);
    }
}

fn bottom_up<'gc>(mc: &Mutation<'gc>, depth: u32) -> NodePtr<'gc> {
    let child = || (depth > 0).then(|| bottom_up(mc, depth - 1));
    let (left, right) = (child(), child());
    node(mc, left, right)
}

fn count(top: NodePtr<'_>) -> u64 {
    let top = top.borrow();
    1 + top.i + top.j + top.left.map_or(0, count) + top.right.map_or(0, count)
}

fn first(top: NodePtr<'_>) -> u64 {
    top.borrow().left.map_or(0, |left| left.borrow().i) + 1
}

#[derive(Collect)]
#[collect(no_drop)]
struct Long<'gc> {
    tree: NodePtr<'gc>,
    array: Vec<f64>,
}

pub fn gcbench(max: u32) -> u64 {
    let mut arena = Arena::<Rootable![Option<Long<'_>>]>::new(|_| None);
    arena.mutate(|mc, _| {
        bottom_up(mc, max + 2);
    });
    arena.collect_debt();
    arena.mutate_root(|mc, root| {
        let tree = node(mc, None, None);
        populate(mc, tree, max);
        *root = Some(Long {
            tree,
            array: (0..500_000).map(|i| 1.0 / (i + 1) as f64).collect(),
        });
    });
    let mut checksum = 0;
    for (depth, trees) in depths(max) {
        let top_down = repeat(&mut arena, depth, trees / 2, |mc| {
            let top = node(mc, None, None);
            populate(mc, top, depth);
            first(top)
        });
        let rest = repeat(&mut arena, depth, trees / 2, |mc| {
            first(bottom_up(mc, depth))
        });
        checksum = mix(checksum, top_down + rest);
    }
    arena.mutate(|_, root| {
        let long = root.as_ref().expect("it was made above");
        mix(checksum, count(long.tree) + (long.array[1000] * 1e9) as u64)
    })
}

#[derive(Collect)]
#[collect(no_drop)]
struct Valued<'gc> {
    left: Option<Gc<'gc, Valued<'gc>>>,
    right: Option<Gc<'gc, Valued<'gc>>>,
    value: u64,
    depth: u64,
}

fn build<'gc>(mc: &Mutation<'gc>, depth: u32, next: &mut u64) -> Gc<'gc, Valued<'gc>> {
    let mut child = || (depth > 0).then(|| build(mc, depth - 1, next));
    let (left, right) = (child(), child());
    let value = *next;
    *next += 1;
    Gc::new(
        mc,
        Valued {
            left,
            right,
            value,
            depth: u64::from(depth),
        },
    )
}

fn sum(tree: &Valued<'_>) -> u64 {
    let child = |child: Option<Gc<'_, Valued<'_>>>| child.map_or(0, |tree| sum(&tree));
    (tree.value ^ tree.depth)
        .wrapping_add(child(tree.left))
        .wrapping_add(child(tree.right))
}

pub fn traversal(depth: u32, rounds: u64) -> u64 {
    let arena = Arena::<Rootable![Gc<'_, Valued<'_>>]>::new(|mc| build(mc, depth, &mut 0));
    (0..rounds).fold(0, |checksum: u64, _| {
        checksum
            .rotate_left(1)
            .wrapping_add(arena.mutate(|_, root| sum(std::hint::black_box(root))))
    })
}

#[derive(Collect)]
#[collect(no_drop)]
struct Cons<'gc> {
    next: Option<Gc<'gc, Cons<'gc>>>,
    value: u64,
    more: [u64; 2],
}

#[derive(Collect)]
#[collect(no_drop)]
struct Live<'gc> {
    tree: Gc<'gc, Valued<'gc>>,
    window: Gc<'gc, Lock<[Option<Gc<'gc, Cons<'gc>>>; WINDOW]>>,
}

const WINDOW: usize = 64;

fn live<'gc>(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Valued<'gc>> {
    let child = || (depth > 1).then(|| live(mc, depth - 1));
    let (left, right) = (child(), child());
    Gc::new(
        mc,
        Valued {
            left,
            right,
            value: u64::from(depth),
            depth: 1,
        },
    )
}

pub fn latency(depth: u32, batches: u64) -> u64 {
    let mut arena = Arena::<Rootable![Live<'_>]>::new(|mc| Live {
        tree: live(mc, depth),
        window: Gc::new(mc, Lock::new([None; WINDOW])),
    });
    let (mut latency, mut total) = (Latency::start(batches), 0u64);
    for batch in 0..batches {
        let last = arena.mutate(|mc, root| {
            let head = (0..1000).fold(None, |next, i| {
                Some(Gc::new(
                    mc,
                    Cons {
                        next,
                        value: batch + i,
                        more: [i, 0],
                    },
                ))
            });
            let mut window = root.window.get();
            window[batch as usize % WINDOW] = head;
            root.window.set(mc, window);
            head.map_or(0, |cons| cons.value + cons.more[0])
        });
        total = total.wrapping_add(last);
        arena.collect_debt();
        latency.lap();
    }
    latency.print();
    let value = arena.mutate(|_, root| root.tree.value);
    peers_common::print_and_exit(total.wrapping_add(value))
}
