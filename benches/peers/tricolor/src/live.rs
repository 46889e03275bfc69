//! Half a gigabyte of live objects: what allocation feels of it, and how long a full cycle takes.

use std::time::Instant;

use peers_common::{Latency, Random, process_nanos};
use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Mutator, Root, Rootable, Trace};

/// 32 bytes.
#[derive(Trace)]
struct Tree<'gc> {
    left: Option<Gc<'gc, Tree<'gc>>>,
    right: Option<Gc<'gc, Tree<'gc>>>,
    value: u64,
    more: u64,
}

fn build<'gc>(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Tree<'gc>> {
    let child = || (depth > 1).then(|| build(mc, depth - 1));
    let (left, right) = (child(), child());
    Gc::new(
        mc,
        Tree {
            left,
            right,
            value: u64::from(depth),
            more: 1,
        },
    )
}

/// Nodes of a list; 32 bytes.
#[derive(Trace)]
struct Node<'gc> {
    next: Option<Gc<'gc, Node<'gc>>>,
    value: u64,
    more: [u64; 2],
}

/// Lists alive beside the tree.
const WINDOW: usize = 64;
const BATCH: u64 = 1000;

#[derive(Trace)]
struct Live<'gc> {
    tree: Gc<'gc, Tree<'gc>>,
    window: [GcSlot<Option<Gc<'gc, Node<'gc>>>>; WINDOW],
}

fn list<'gc>(mc: &Mutation<'gc>, batch: u64) -> Option<Gc<'gc, Node<'gc>>> {
    (0..BATCH).fold(None, |next, i| {
        Some(Gc::new(
            mc,
            Node {
                next,
                value: batch + i,
                more: [i, 0],
            },
        ))
    })
}

/// `2^depth - 1` live objects, then `batches` of a thousand.
pub fn latency(heap: &Heap, depth: u32, batches: u64) -> u64 {
    let mut mutator = heap.attach();
    let live: Root<Rootable![Live<'_>]> = mutator.enter(|mc| {
        let window = std::array::from_fn(|_| GcSlot::new(None));
        Root::new(
            mc,
            Gc::new(
                mc,
                Live {
                    tree: build(mc, depth),
                    window,
                },
            ),
        )
    });
    let mut latency = Latency::start(batches);
    let (mut batch, mut sum) = (0, 0u64);
    while batch < batches {
        mutator.enter(|mc| {
            let window = &live.get(mc).window;
            while batch < batches {
                let head = list(mc, batch);
                sum = sum.wrapping_add(head.map_or(0, |node| node.value + node.more[0]));
                window[batch as usize % WINDOW].set(mc, head);
                batch += 1;
                if mc.should_yield() {
                    break;
                }
                latency.lap();
            }
        });
        // The last batch of the slice, and what leaving `enter` took.
        if latency.laps() < batch {
            latency.lap();
        }
    }
    latency.print();
    mutator.enter(|mc| sum.wrapping_add(live.get(mc).tree.value))
}

/// Times five forced collections: medians of the whole by wall clock and of marking as the cycle has it, the mean of
/// the process's CPU time.
fn time_collections(mutator: &mut Mutator, objects: u64) {
    mutator.collect();
    let (mut wall, mut marking) = (Vec::new(), Vec::new());
    let before = process_nanos();
    for _ in 0..5 {
        let start = Instant::now();
        let cycle = mutator.collect();
        wall.push(start.elapsed().as_secs_f64());
        marking.push(cycle.marking.as_secs_f64());
        println!("markers {}", cycle.markers);
    }
    let cpu = (process_nanos() - before) as f64 / 5e9;
    wall.sort_by(f64::total_cmp);
    marking.sort_by(f64::total_cmp);
    println!("collect_wall_ms {:.1}", wall[2] * 1e3);
    println!("collect_cpu_ms {:.1}", cpu * 1e3);
    println!("mark_mobjects_per_s {:.1}", objects as f64 / cpu / 1e6);
    println!(
        "marking_mobjects_per_s {:.1}",
        objects as f64 / marking[2] / 1e6
    );
}

pub fn mark_ordered(heap: &Heap, depth: u32) -> u64 {
    let mut mutator = heap.attach();
    let tree: Root<Rootable![Tree<'_>]> = mutator.enter(|mc| Root::new(mc, build(mc, depth)));
    time_collections(&mut mutator, (1 << depth) - 1);
    mutator.enter(|mc| tree.get(mc).value + tree.get(mc).more)
}

/// A node whose children are linked in after all are made; 32 bytes.
#[derive(Trace)]
struct Linked<'gc> {
    left: GcSlot<Option<Gc<'gc, Linked<'gc>>>>,
    right: GcSlot<Option<Gc<'gc, Linked<'gc>>>>,
    value: u64,
    more: u64,
}

/// The same tree, its nodes at random addresses.
pub fn mark_shuffled(heap: &Heap, depth: u32) -> u64 {
    let count = (1usize << depth) - 1;
    let mut mutator = heap.attach();
    let tree: Root<Rootable![Linked<'_>]> = mutator.enter(|mc| {
        let nodes: Vec<_> = (0..count as u64)
            .map(|value| {
                let (left, right) = (GcSlot::new(None), GcSlot::new(None));
                Gc::new(
                    mc,
                    Linked {
                        left,
                        right,
                        value,
                        more: 1,
                    },
                )
            })
            .collect();
        let order = Random::new().permutation(count);
        let node = |index: usize| order.get(index).map(|&place| nodes[place as usize]);
        for (index, &place) in order.iter().enumerate() {
            nodes[place as usize].left.set(mc, node(2 * index + 1));
            nodes[place as usize].right.set(mc, node(2 * index + 2));
        }
        Root::new(mc, nodes[order[0] as usize])
    });
    time_collections(&mut mutator, count as u64);
    mutator.enter(|mc| tree.get(mc).value + tree.get(mc).more)
}
