use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    let _escaped: &u8 = mutator.enter(|mc| Gc::as_ref(Gc::new(mc, 1)));
}
