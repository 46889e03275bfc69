use tricolor_gc::{Gc, Heap, Static};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let hidden = Static(Gc::new(mc, 1));
        Gc::new(mc, hidden);
    });
}
