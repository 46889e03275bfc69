use std::sync::mpsc;

use tricolor_gc::{Gc, Heap};

fn main() {
    let (send, receive) = mpsc::channel();
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| send.send(Gc::new(mc, 1)).unwrap());
    let _ = receive.recv();
}
