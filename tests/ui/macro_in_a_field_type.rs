use tricolor_gc::{Gc, Trace};

macro_rules! link {
    () => { Option<Gc<'gc, Node<'gc>>> };
}

#[derive(Trace)]
struct Node<'gc> {
    next: link!(),
    all: Vec<link!()>,
}

fn main() {}
