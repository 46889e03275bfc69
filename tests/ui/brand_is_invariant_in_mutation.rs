use tricolor_gc::{Mutation};

fn shrink<'long: 'short, 'short, 'a>(value: &'a Mutation<'long>) -> &'a Mutation<'short> {
    value
}

fn grow<'long: 'short, 'short, 'a>(value: &'a Mutation<'short>) -> &'a Mutation<'long> {
    value
}

fn main() {}
