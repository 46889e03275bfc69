use tricolor_gc::{Mutation, Mutator};

fn makes<'gc>() -> Mutation<'gc> {
    Mutation::default()
}

fn chooses<'gc>(mutator: &mut Mutator) -> &'gc Mutation<'gc> {
    mutator.enter(|mc| mc)
}

fn copies<'gc>(mc: &Mutation<'gc>) -> Mutation<'gc> {
    mc.clone()
}

fn rebrands<'a, 'b>(mc: &'a Mutation<'a>) -> &'a Mutation<'b> {
    mc
}

fn main() {}
