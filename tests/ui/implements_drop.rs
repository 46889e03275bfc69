use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc, T> {
    value: T,
    next: Option<Gc<'gc, Node<'gc, T>>>,
}

impl<'gc, T> Drop for Node<'gc, T> {
    fn drop(&mut self) {}
}

fn main() {}
