use std::any::Any;

use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    let _escaped: Box<dyn Any> = mutator.enter(|mc| {
        let boxed: Box<dyn Any> = Box::new(Gc::new(mc, 1));
        boxed
    });
}
