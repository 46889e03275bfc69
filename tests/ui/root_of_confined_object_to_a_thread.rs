use std::rc::Rc;
use std::thread;

use tricolor_gc::{Gc, GcRefCell, Heap, Root, Rootable};

fn main() {
    let mut mutator = Heap::new().attach();
    let root: Root<Rootable![GcRefCell<u8>]> =
        mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcRefCell::new(1))));
    thread::spawn(move || drop(root));
    let root: Root<Rootable![Rc<u8>]> =
        mutator.enter(|mc| Root::new(mc, Gc::new(mc, Rc::new(1))));
    thread::scope(|scope| {
        scope.spawn(|| drop(root.clone()));
    });
}
