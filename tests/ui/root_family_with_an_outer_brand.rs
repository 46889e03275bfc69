use std::marker::PhantomData;

use tricolor_gc::{Gc, GcCell, Heap, Root, Rootable, Trace};

/// Shows that two brands are one, where they are.
#[derive(Trace)]
#[trace(gc = 'a)]
struct Same<'a, 'b>(fn(Gc<'b, u8>) -> Gc<'a, u8>, PhantomData<Gc<'a, u8>>);

/// Of which another `enter` would see the one with its own brand, the other as it was.
struct SameAs<'b>(PhantomData<Gc<'b, u8>>);

impl<'a, 'b> Rootable<'a> for SameAs<'b> {
    type Root = Same<'a, 'b>;
}

fn main() {
    let heap = Heap::new();
    let (mut outer, mut inner) = (heap.attach(), heap.attach());
    outer.enter(|mc| {
        let pointer = Gc::new(mc, 1);
        let same = Gc::new(mc, Same(|pointer| pointer, PhantomData));
        let root: Root<SameAs<'_>> = Root::new(mc, same);
        inner.enter(|mc| {
            let pointer = (root.get(mc).0)(pointer);
            Gc::new(mc, GcCell::new(pointer));
        });
    });
}
