//! A planted race between a marker thread and a mutator: ThreadSanitizer must report it.
//!
//! `Counter` breaks rule 2 of `Trace`: its `trace` reads a plain cell that the mutator writes without a barrier.

use std::cell::Cell;

use tricolor_gc::{Gc, GcCell, Heap, Root, Rootable, Trace, Tracer};

struct Counter<'gc> {
    count: Cell<u64>,
    next: GcCell<Option<Gc<'gc, Counter<'gc>>>>,
}

// SAFETY: none; this is the planted error.
unsafe impl<'gc> Trace<'gc> for Counter<'gc> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        std::hint::black_box(self.count.get());
        self.next.trace(tracer);
    }
}

fn main() {
    let heap = Heap::builder().marker_threads(1).build().expect("the settings are in range");
    let mut mutator = heap.attach();
    let root: Root<Rootable![Counter<'_>]> = mutator.enter(|mc| {
        let mut first = Gc::new(mc, Counter { count: Cell::new(0), next: GcCell::new(None) });
        for _ in 0..100_000 {
            first = Gc::new(mc, Counter { count: Cell::new(0), next: GcCell::new(Some(first)) });
        }
        Root::new(mc, first)
    });
    let other = heap.clone();
    let collector = std::thread::spawn(move || {
        for _ in 0..10 {
            other.collect();
        }
    });
    while !collector.is_finished() {
        mutator.enter(|mc| {
            let mut object = Some(root.get(mc));
            while let Some(counter) = object {
                counter.count.set(counter.count.get() + 1);
                object = counter.next.get();
            }
        });
    }
    collector.join().expect("the collector does not panic");
}
