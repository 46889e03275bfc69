//! How fast a full cycle goes over live objects, by the shape of the heap.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{Node, Nodes};
use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Root, Rootable, Trace};

const OBJECTS: u64 = 1 << 20;

fn shuffled<'gc>(mc: &Mutation<'gc>) -> Gc<'gc, Node<'gc>> {
    let mut nodes: Vec<_> = (0..OBJECTS)
        .map(|value| Gc::new(mc, Node::new(value)))
        .collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..nodes.len()).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        nodes.swap(i, (random % (i as u64 + 1)) as usize);
    }
    for (i, node) in nodes.iter().enumerate() {
        node.left.set(mc, nodes.get(2 * i + 1).copied());
        node.right.set(mc, nodes.get(2 * i + 2).copied());
    }
    nodes[0]
}

#[derive(Trace)]
struct Row<'gc>([Gc<'gc, [u64; 2]>; 8]);

#[derive(Trace)]
struct Pair<'gc>(Gc<'gc, [u64; 2]>, Option<Gc<'gc, Pair<'gc>>>);

/// A node that leads to four others.
#[derive(Trace, Default)]
struct Crossing<'gc>([GcSlot<Option<Gc<'gc, Crossing<'gc>>>>; 4]);

/// To the next, so that all are reached, and to any three.
fn graph<'gc>(mc: &Mutation<'gc>) -> Gc<'gc, Crossing<'gc>> {
    let nodes: Vec<_> = (0..OBJECTS)
        .map(|_| Gc::new(mc, Crossing::default()))
        .collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for (number, node) in nodes.iter().enumerate() {
        node.0[0].set(mc, Some(nodes[(number + 1) % nodes.len()]));
        for slot in &node.0[1..] {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            slot.set(mc, Some(nodes[(random % OBJECTS) as usize]));
        }
    }
    nodes[0]
}

fn list<'gc>(mc: &Mutation<'gc>) -> Gc<'gc, Node<'gc>> {
    let mut head = Gc::new(mc, Node::new(0));
    for value in 1..OBJECTS {
        let node = Node::new(value);
        node.left.set(mc, Some(head));
        head = Gc::new(mc, node);
    }
    head
}

fn bench<R>(c: &mut Criterion, name: &str, make: impl for<'gc> Fn(&'gc Mutation<'gc>) -> R) {
    let mut mutator = Heap::new().attach();
    let _root = mutator.enter(make);
    let mut group = c.benchmark_group("mark");
    group
        .throughput(Throughput::Elements(OBJECTS))
        .sample_size(20);
    group.bench_function(name, |b| b.iter(|| mutator.collect()));
}

fn marking(c: &mut Criterion) {
    bench(c, "tree in allocation order", |mc| {
        root_of(mc, Node::tree(mc, 19))
    });
    bench(c, "tree, shuffled", |mc| root_of(mc, shuffled(mc)));
    bench(
        c,
        "graph, four edges a node",
        |mc| -> Root<Rootable![Crossing<'_>]> { Root::new(mc, graph(mc)) },
    );
    bench(c, "linked list", |mc| root_of(mc, list(mc)));
    bench(
        c,
        "one wide slice",
        |mc| -> Root<Rootable!['gc => [GcSlot<Gc<'gc, Node<'gc>>>]]> {
            Root::new(
                mc,
                Gc::slice_from_fn(mc, OBJECTS as usize, |i| {
                    GcSlot::new(Gc::new(mc, Node::new(i as u64)))
                }),
            )
        },
    );
    bench(
        c,
        "rows of plain data",
        |mc| -> Root<Rootable!['gc => [Gc<'gc, Row<'gc>>]]> {
            let plain = |i| Gc::new(mc, [i as u64; 2]);
            let row = |_| Gc::new(mc, Row(std::array::from_fn(plain)));
            Root::new(mc, Gc::slice_from_fn(mc, OBJECTS as usize / 9, row))
        },
    );
    bench(
        c,
        "pairs of plain data and the next",
        |mc| -> Root<Rootable!['gc => Pair<'gc>]> {
            let add = |next, i| Some(Gc::new(mc, Pair(Gc::new(mc, [i; 2]), next)));
            Root::new(mc, (0..OBJECTS / 2).fold(None, add).unwrap())
        },
    );
    bench(
        c,
        "plain data in one slice",
        |mc| -> Root<Rootable!['gc => [Gc<'gc, [u64; 2]>]]> {
            Root::new(
                mc,
                Gc::slice_from_fn(mc, OBJECTS as usize, |i| Gc::new(mc, [i as u64; 2])),
            )
        },
    );
}

fn root_of<'gc>(mc: &Mutation<'gc>, node: Gc<'gc, Node<'gc>>) -> Root<Nodes> {
    Root::new(mc, node)
}

criterion_group!(benches, marking);
criterion_main!(benches);
