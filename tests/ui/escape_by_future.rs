use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    let _escaped = mutator.enter(|mc| {
        let object = Gc::new(mc, 1);
        async move { *object }
    });
}
