//! What weak references cost: making, upgrading, and in a cycle.

mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{Node, idle, marking, steady};
use tricolor_gc::{Gc, GcWeak, Heap, Root, Rootable};

const WEAK: usize = 100_000;

type Pairs = Rootable!['gc => Vec<(Gc<'gc, Node<'gc>>, GcWeak<'gc, Node<'gc>>)>];

fn weak(c: &mut Criterion) {
    c.bench_function("weak/downgrade", |b| {
        let mut mutator = Heap::new().attach();
        b.iter_custom(|iterations| {
            steady(&mut mutator, iterations, |mc| {
                black_box(Gc::downgrade(Gc::new(mc, Node::new(1)), mc));
            })
        });
    });
    c.bench_function("weak/upgrade", |b| {
        idle().enter(|mc| {
            let node = Gc::new(mc, Node::new(1));
            let weak = Gc::downgrade(node, mc);
            b.iter(|| black_box(weak).upgrade(mc).is_some());
        });
    });
    c.bench_function("weak/upgrade while marking", |b| {
        marking().0.enter(|mc| {
            let node = Gc::new(mc, Node::new(1));
            let weak = Gc::downgrade(node, mc);
            b.iter(|| black_box(weak).upgrade(mc).is_some());
        });
    });
    let mut group = c.benchmark_group("weak");
    group
        .throughput(Throughput::Elements(WEAK as u64))
        .sample_size(20);
    group.bench_function("a cycle over live ones", |b| {
        let mut mutator = Heap::new().attach();
        let _pairs: Root<Pairs> = mutator.enter(|mc| {
            let pair = |value| {
                let node = Gc::new(mc, Node::new(value));
                (node, Gc::downgrade(node, mc))
            };
            Root::new(mc, Gc::new(mc, (0..WEAK as u64).map(pair).collect()))
        });
        b.iter(|| mutator.collect());
    });
    group.finish();
}

criterion_group!(benches, weak);
criterion_main!(benches);
