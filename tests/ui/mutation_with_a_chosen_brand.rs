use tricolor_gc::{Gc, Mutation, Mutator};

fn brand<'gc>(mutator: &'gc mut Mutator) -> &'gc Mutation<'gc> {
    mutator.enter(|mc| mc)
}

fn not_generic(mutator: &mut Mutator) {
    mutator.enter(|mc: &'static Mutation<'static>| {
        Gc::new(mc, 1);
    });
}

fn main() {}
