//! What reading costs: `get`, `borrow`, `borrow_mut`, `lock`.

mod support;

use std::cell::RefCell;
use std::hint::black_box;

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use support::{Node, idle, marking};
use tricolor_gc::{Gc, GcCell, GcMutex, GcRefCell, Mutator};

fn borrow_mut(b: &mut Bencher<'_>, mutator: &mut Mutator) {
    mutator.enter(|mc| {
        let cell = Gc::new(mc, GcRefCell::new(vec![Gc::new(mc, 1u64); 4]));
        let target = Gc::new(mc, 2u64);
        b.iter(|| black_box(cell).borrow_mut(mc)[0] = target);
    });
}

fn reads(c: &mut Criterion) {
    c.bench_function("borrow/std RefCell::borrow", |b| {
        let cell = Box::new(RefCell::new(1u64));
        b.iter(|| *black_box(&cell).borrow());
    });
    c.bench_function("borrow/GcRefCell::borrow", |b| {
        idle().enter(|mc| {
            let cell = Gc::new(mc, GcRefCell::new(1u64));
            b.iter(|| *black_box(cell).borrow());
        });
    });
    c.bench_function("borrow/GcRefCell::borrow_mut, barrier off", |b| {
        borrow_mut(b, &mut idle())
    });
    c.bench_function("borrow/GcRefCell::borrow_mut, claimed", |b| {
        borrow_mut(b, &mut marking().0)
    });
    c.bench_function("borrow/GcMutex::lock", |b| {
        idle().enter(|mc| {
            let mutex = Gc::new(mc, GcMutex::new(Some(Gc::new(mc, 1u64))));
            b.iter(|| mutex.lock(mc).is_some());
        });
    });
    c.bench_function("borrow/GcCell::get", |b| {
        idle().enter(|mc| {
            let cell = Gc::new(mc, GcCell::new(Some(Gc::new(mc, 1u64))));
            b.iter(|| black_box(cell).get());
        });
    });
    c.bench_function("borrow/GcSlot::get", |b| {
        idle().enter(|mc| {
            let node = Gc::new(mc, Node::new(1));
            b.iter(|| black_box(node).left.get());
        });
    });
}

criterion_group!(benches, reads);
criterion_main!(benches);
