use tricolor_gc::{Gc, Heap, Root, Rootable};

fn main() {
    let mut mutator = Heap::new().attach();
    let root: Root<Rootable![u32]> = mutator.enter(|mc| Root::new(mc, Gc::new(mc, 1_u64)));
    mutator.enter(|mc| {
        let _: Gc<'_, u64> = root.get(mc);
    });
}
