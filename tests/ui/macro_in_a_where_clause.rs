use tricolor_gc::{Gc, Trace};

trait Fixed {
    type Type;
}

macro_rules! brand {
    ($lifetime:lifetime) => { &$lifetime () };
}

// One that says `u8` to begin with could keep from the compiler that nothing else says what `'gc` is.
#[derive(Trace)]
struct Node<'gc, T>
where
    T: Fixed<Type = brand!('gc)>,
{
    pointer: Gc<'gc, T>,
}

#[derive(Trace)]
struct Other<'gc, T: Fixed<Type = brand!('gc)>>(Gc<'gc, T>);

fn main() {}
