use std::ops::Deref;
use std::rc::Rc;

use tricolor_gc::Trace;

/// Eight bytes, where the derive's own has none.
struct __SendProbe<T>(T);

struct Size<const N: usize>;

trait Choose {
    type Type;
}

impl Choose for Size<8> {
    type Type = Confined;
}

impl Choose for Size<0> {
    type Type = String;
}

/// Not `Send`, but a reference to it becomes one to something that is.
struct Confined(Rc<u8>, String);

impl Deref for Confined {
    type Target = String;

    fn deref(&self) -> &String {
        &self.1
    }
}

#[derive(Trace)]
struct Node {
    #[trace(skip)]
    shared: <Size<{ size_of::<__SendProbe<u64>>() }> as Choose>::Type,
}

fn main() {
    let node = Node { shared: Confined(Rc::new(1), String::new()) };
    assert_eq!(*node.shared.0, 1);
}
