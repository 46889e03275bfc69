// rust-gc 0.5.1: a finaliser stores a pointer to its own object, or to what it holds, in an object that lives.

use tricolor_gc::{Gc, GcSlot, Trace};

#[derive(Trace)]
struct Phoenix<'gc> {
    ashes: Gc<'gc, String>,
    nest: Gc<'gc, GcSlot<Option<Gc<'gc, String>>>>,
}

impl<'gc> Drop for Phoenix<'gc> {
    fn drop(&mut self) {
        self.nest.set(a_mutation(), Some(self.ashes));
    }
}

fn a_mutation<'a, 'gc>() -> &'a tricolor_gc::Mutation<'gc> {
    panic!("there is none in a destructor")
}

fn main() {}
