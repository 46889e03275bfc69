use tricolor_gc::{Gc, GcCell, Heap, Root, Rootable, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

struct Fixed;

impl<'a> Rootable<'a> for Fixed {
    type Root = Node<'static>;
}

fn main() {
    let mut mutator = Heap::new().attach();
    let _root: Root<Fixed> = mutator.enter(|mc| {
        Root::new(mc, Gc::new(mc, Node { next: GcCell::new(None) }))
    });
}
