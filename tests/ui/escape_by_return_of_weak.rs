use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    let _escaped = mutator.enter(|mc| Gc::downgrade(Gc::new(mc, 1), mc));
}
