use std::rc::Rc;

use tricolor_gc::Trace;

/// Has a method of the name that the derive calls.
trait Answers: Sized {
    fn __if_send(self) -> u8 {
        1
    }
    fn __if_drop(self) {}
}

impl<T> Answers for T {}

#[derive(Trace)]
struct Node {
    #[trace(skip)]
    shared: Rc<u8>,
}

#[derive(Trace)]
struct Dropped(u8);

impl Drop for Dropped {
    fn drop(&mut self) {}
}

fn main() {}
