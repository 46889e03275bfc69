use std::marker::PhantomData;

use late_attribute::becomes;
use tricolor_gc::Trace;

enum OfNoHeap<T> {
    Node(Vec<OfNoHeap<T>>),
    Leaf(T),
}

// Traced for what it may hold, of one heap by its brand: but it has none.
#[derive(Trace)]
#[becomes(type Tree<'gc, T> = OfNoHeap<T>;)]
enum Tree<'gc, T> {
    Node(Vec<Tree<'gc, T>>),
    Leaf(T),
}

struct OfAnother<'b>(PhantomData<&'b ()>, Vec<OfAnother<'b>>);

// What is known of the two lifetimes makes no brand of the one that is left.
#[derive(Trace)]
#[becomes(type Shorter<'gc, 'b> = OfAnother<'b>;)]
struct Shorter<'gc: 'b, 'b>(PhantomData<&'b ()>, Vec<Shorter<'gc, 'b>>);

fn main() {
    let _ = [OfNoHeap::Leaf(1), OfNoHeap::Node(Vec::new())];
    let _ = OfAnother(PhantomData, Vec::new());
}
