use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let object = Gc::new(mc, 1);
        Gc::new(mc, move || *object);
    });
}
