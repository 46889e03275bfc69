use tricolor_gc::{Gc, Trace, Tracer};

struct Node<'gc>(Gc<'gc, u8>);

impl<'gc> Trace<'gc> for Node<'gc> {
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

fn main() {}
