use tricolor_gc::{Gc, GcCell, Trace, Tracer};

struct Node<'gc>(GcCell<Option<Gc<'gc, u8>>>);

// SAFETY: none; what it does is refused.
unsafe impl<'gc> Trace<'gc> for Node<'gc> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        Gc::new(tracer, 1);
        self.0.set(tracer, None);
    }
}

fn main() {}
