//! What a store costs, with the barrier off and while a cycle marks.

mod support;

use std::cell::Cell;
use std::hint::black_box;

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use support::{Node, idle, marking};
use tricolor_gc::{Gc, GcCell, Mutation, Mutator};

fn slot(b: &mut Bencher<'_>, mutator: &mut Mutator) {
    mutator.enter(|mc| {
        let (node, target) = (Gc::new(mc, Node::new(1)), Gc::new(mc, Node::new(2)));
        b.iter(|| black_box(node).left.set(mc, black_box(Some(target))));
    });
}

fn cell(b: &mut Bencher<'_>, mutator: &mut Mutator) {
    mutator.enter(|mc| {
        let target = Gc::new(mc, Node::new(2));
        let cell = Gc::new(mc, GcCell::new(Some(target)));
        b.iter(|| black_box(cell).set(mc, black_box(Some(target))));
    });
}

/// A cell for each store, so that each is claimed anew the first time round.
fn many_cells(b: &mut Bencher<'_>, mutator: &mut Mutator) {
    mutator.enter(|mc: &Mutation<'_>| {
        let target = Gc::new(mc, Node::new(2));
        let cells = Gc::slice_from_fn(mc, 1 << 20, |_| GcCell::new(Some(target)));
        let mut index = 0;
        b.iter(|| {
            cells[index & ((1 << 20) - 1)].set(mc, black_box(Some(target)));
            index += 1;
        });
    });
}

fn stores(c: &mut Criterion) {
    c.bench_function("store/std Cell", |b| {
        let (cell, value) = (Box::new(Cell::new(Some(&1u64))), Some(&2u64));
        b.iter(|| black_box(&cell).set(black_box(value)));
    });
    c.bench_function("store/GcSlot, barrier off", |b| slot(b, &mut idle()));
    c.bench_function("store/GcCell, barrier off", |b| cell(b, &mut idle()));
    c.bench_function("store/GcSlot, barrier on", |b| slot(b, &mut marking().0));
    c.bench_function("store/GcCell, claimed", |b| cell(b, &mut marking().0));
    c.bench_function("store/GcCell, one each", |b| {
        many_cells(b, &mut marking().0)
    });
}

criterion_group!(benches, stores);
criterion_main!(benches);
