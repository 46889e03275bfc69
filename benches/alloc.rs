//! What an allocation costs in the long run, by size and kind; cycles and sweeping included.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use support::{Node, steady};
use tricolor_gc::{Gc, Heap, Mutation, Trace};

#[derive(Trace)]
struct Pair<'gc>(Option<Gc<'gc, u64>>, Option<Gc<'gc, u64>>);

#[derive(Trace)]
struct Eight<'gc>([Option<Gc<'gc, u64>>; 8]);

fn bench(c: &mut Criterion, name: &str, allocate: impl for<'gc> Fn(&'gc Mutation<'gc>) + Copy) {
    let mut mutator = Heap::new().attach();
    c.bench_function(&format!("alloc/{name}"), |b| {
        b.iter_custom(|iterations| steady(&mut mutator, iterations, allocate));
    });
}

fn allocation(c: &mut Criterion) {
    bench(c, "plain 8 B", |mc| {
        black_box(Gc::new(mc, 1u64));
    });
    bench(c, "plain 16 B", |mc| {
        black_box(Gc::new(mc, [1u64; 2]));
    });
    bench(c, "plain 64 B", |mc| {
        black_box(Gc::new(mc, [1u64; 8]));
    });
    bench(c, "traced 16 B", |mc| {
        black_box(Gc::new(mc, Pair(None, None)));
    });
    bench(c, "traced 32 B", |mc| {
        black_box(Gc::new(mc, Node::new(1)));
    });
    bench(c, "traced 64 B", |mc| {
        black_box(Gc::new(mc, Eight([None; 8])));
    });
    bench(c, "with a destructor", |mc| {
        black_box(Gc::new(mc, Box::new(1u64)));
    });
    bench(c, "str of 20", |mc| {
        black_box(Gc::new_str(mc, black_box("twenty bytes of text")));
    });
    bench(c, "slice of 100 words", |mc| {
        black_box(Gc::slice_from_fn(mc, 100, |i| i as u64));
    });
    bench(c, "large, 64 KiB", |mc| {
        black_box(Gc::slice_from_fn(mc, 8 << 10, |_| 0u64));
    });
}

criterion_group!(benches, allocation);
criterion_main!(benches);
