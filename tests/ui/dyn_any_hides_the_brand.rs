use std::any::Any;

use tricolor_gc::{Gc, Heap, Trace, gc_unsize};

#[derive(Trace)]
struct Node<'gc> {
    next: Option<Gc<'gc, Node<'gc>>>,
}

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let node = Gc::new(mc, Node { next: None });
        let _any: Gc<'_, dyn Any> = gc_unsize!(node => dyn Any);
    });
}
