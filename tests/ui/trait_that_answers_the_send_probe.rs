use std::rc::Rc;

use tricolor_gc::Trace;

trait __NotSend {
    const IS_SEND: bool = true;
}

impl<T: ?Sized> __NotSend for T {}

#[derive(Trace)]
struct Node {
    #[trace(skip)]
    shared: Rc<u8>,
}

fn main() {
    let node = Node { shared: Rc::new(1) };
    assert_eq!(*node.shared, 1);
}
