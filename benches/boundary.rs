//! What the boundary costs: `enter`, roots, polls.

mod support;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use support::{Node, Nodes, idle};
use tricolor_gc::{Gc, Root};

fn boundary(c: &mut Criterion) {
    c.bench_function("boundary/enter and exit", |b| {
        let mut mutator = idle();
        b.iter(|| mutator.enter(|mc| black_box(mc.should_yield())));
    });
    c.bench_function("boundary/should_yield", |b| {
        idle().enter(|mc| b.iter(|| black_box(mc).should_yield()));
    });
    c.bench_function("boundary/Root::new and drop", |b| {
        idle().enter(|mc| {
            let node = Gc::new(mc, Node::new(1));
            b.iter(|| {
                let root: Root<Nodes> = Root::new(mc, black_box(node));
                // By reference: by value its two words are stored, and loaded as one, which stalls for longer than both calls take.
                black_box(&root);
            });
        });
    });
    c.bench_function("boundary/Root::get", |b| {
        idle().enter(|mc| {
            let root: Root<Nodes> = Root::new(mc, Gc::new(mc, Node::new(1)));
            b.iter(|| black_box(&root).get(mc).value);
        });
    });
    c.bench_function("boundary/Root::clone and drop", |b| {
        idle().enter(|mc| {
            let root: Root<Nodes> = Root::new(mc, Gc::new(mc, Node::new(1)));
            b.iter(|| black_box(&root).clone());
        });
    });
}

criterion_group!(benches, boundary);
criterion_main!(benches);
