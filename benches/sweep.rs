//! What a full cycle costs over garbage: types without drop glue, with it, mixed with survivors.

mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::Node;
use tricolor_gc::{Gc, Heap, Mutation, Root, Rootable};

const OBJECTS: usize = 1 << 19;

/// Makes garbage with no time counted, then times a collection of it.
fn bench<R>(c: &mut Criterion, name: &str, make: impl for<'gc> Fn(&'gc Mutation<'gc>) -> R) {
    // No cycle may begin on its own.
    let heap = Heap::builder()
        .min_heap(1 << 30)
        .build()
        .expect("settings in range");
    let mut mutator = heap.attach();
    let mut group = c.benchmark_group("sweep");
    group
        .throughput(Throughput::Elements(OBJECTS as u64))
        .sample_size(20);
    group.bench_function(name, |b| {
        b.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                let _kept = mutator.enter(&make);
                let start = Instant::now();
                mutator.collect();
                spent += start.elapsed();
            }
            spent
        });
    });
}

type Kept = Rootable!['gc => Vec<Gc<'gc, Node<'gc>>>];

fn sweeping(c: &mut Criterion) {
    bench(c, "no drop glue, all dead", |mc| {
        for value in 0..OBJECTS as u64 {
            Gc::new(mc, Node::new(value));
        }
    });
    bench(c, "drop glue, all dead", |mc| {
        for value in 0..OBJECTS as u64 {
            Gc::new(mc, Box::new(value));
        }
    });
    bench(c, "no drop glue, every 16th alive", |mc| -> Root<Kept> {
        let nodes = (0..OBJECTS as u64).map(|value| Gc::new(mc, Node::new(value)));
        let kept: Vec<_> = nodes
            .enumerate()
            .filter(|(i, _)| i % 16 == 0)
            .map(|(_, node)| node)
            .collect();
        Root::new(mc, Gc::new(mc, kept))
    });
}

criterion_group!(benches, sweeping);
criterion_main!(benches);
