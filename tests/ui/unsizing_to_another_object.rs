use tricolor_gc::{Gc, Heap, gc_unsize};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let number = Gc::new(mc, 1_u64);
        let _wrong: Gc<'_, u32> = gc_unsize!(number => u32);
    });
}
