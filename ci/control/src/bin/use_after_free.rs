//! A planted use after free: AddressSanitizer must report it.
//!
//! `Owner` breaks rule 1 of `Trace`: its `trace` forgets a field. So the object behind it dies, its destructor frees the
//! vector it owned, and the program reads the vector.

use tricolor_gc::{Gc, Heap, Root, Rootable, Trace, Tracer};

struct Owner<'gc> {
    numbers: Gc<'gc, Vec<u64>>,
}

// SAFETY: none; this is the planted error.
unsafe impl<'gc> Trace<'gc> for Owner<'gc> {
    fn trace(&self, _forgotten: &mut Tracer<'gc>) {}
}

fn main() {
    let heap = Heap::builder().marker_threads(1).build().expect("the settings are in range");
    let mut mutator = heap.attach();
    let root: Root<Rootable![Owner<'_>]> = mutator.enter(|mc| {
        let numbers = Gc::new(mc, vec![7; 100]);
        Root::new(mc, Gc::new(mc, Owner { numbers }))
    });
    mutator.collect();
    mutator.collect();
    let sum: u64 = mutator.enter(|mc| root.get(mc).numbers.iter().sum());
    println!("{sum}");
}
