use std::thread;

use tricolor_gc::Heap;

fn main() {
    let mut mutator = Heap::new().attach();
    thread::spawn(move || mutator.collect());
}
