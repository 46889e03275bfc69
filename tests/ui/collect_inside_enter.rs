use tricolor_gc::Heap;

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|_| mutator.collect());
    mutator.enter(|_| mutator.enter(|_| {}));
}
