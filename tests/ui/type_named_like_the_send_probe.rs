use std::rc::Rc;

use tricolor_gc::Trace;

/// Has the name of what the derive asks, and the answer that would let everything pass.
struct __SendProbe<T>(T);

impl<T> __SendProbe<T> {
    const IS_SEND: bool = true;
}

#[derive(Trace)]
struct Node {
    #[trace(skip)]
    shared: __SendProbe<Rc<u8>>,
}

fn main() {
    let node = Node { shared: __SendProbe(Rc::new(1)) };
    assert!(__SendProbe::<Rc<u8>>::IS_SEND && *node.shared.0 == 1);
}
