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

/// The real trait and tracer, beside another trait that asks for nothing.
mod fake {
    pub use tricolor_gc::{__Answers, Trace, Tracer};

    pub trait __Branded {
        type Brand;
    }
}

enum OfAnyHeap<T> {
    Node(Vec<OfAnyHeap<T>>),
    Leaf(T),
}

#[derive(Trace)]
#[trace(crate = crate::fake)]
#[becomes(type Bush<'gc, T> = OfAnyHeap<T>;)]
enum Bush<'gc, T> {
    Node(Vec<Bush<'gc, T>>),
    Leaf(T),
}

trait Grow {}

struct Ends<T: ?Sized>(T);

// No field is traced. But what unsizes to it may be, of another heap.
#[derive(Trace)]
#[becomes(type OfAnyBrand<'gc> = Ends<dyn Grow>;)]
struct OfAnyBrand<'gc>(#[trace(skip)] dyn Grow + 'gc);

fn main() {
    let _ = Ends(());
    let _ = [OfAnyHeap::Leaf(1), OfAnyHeap::Node(Vec::new())];
    let _ = [OfNoHeap::Leaf(1), OfNoHeap::Node(Vec::new())];
    let _ = OfAnother(PhantomData, Vec::new());
}
