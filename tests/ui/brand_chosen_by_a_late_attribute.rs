use std::marker::PhantomData;

use late_attribute::becomes;
use tricolor_gc::Trace;

#[derive(Trace)]
enum Tree<'gc, T> {
    Node(Vec<Tree<'gc, T>>, PhantomData<&'gc ()>),
    Leaf(T),
}

// What the derive sees has a lifetime that is not written: in a body it is that of the heap, whichever is asked about. The field that is
// compiled fits every heap, for a longer lifetime may be shortened.
#[derive(Trace)]
#[becomes(struct OfNoHeap<T>(Tree<'static, T>);)]
struct OfNoHeap<T>(Tree<'_, T>);

fn main() {
    let _ = [Tree::Leaf(1), Tree::Node(Vec::new(), PhantomData)];
    let _ = OfNoHeap(Tree::Leaf(1));
}
