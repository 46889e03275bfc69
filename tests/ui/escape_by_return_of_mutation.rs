use tricolor_gc::Heap;

fn main() {
    let mut mutator = Heap::new().attach();
    let _escaped = mutator.enter(|mc| mc);
}
