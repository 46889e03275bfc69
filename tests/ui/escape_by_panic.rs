use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| std::panic::panic_any(Gc::new(mc, 1)));
}
