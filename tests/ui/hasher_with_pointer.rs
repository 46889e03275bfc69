use std::collections::{HashMap, HashSet};

use tricolor_gc::{Gc, Trace};

struct Hasher<'gc>(Gc<'gc, u8>);

#[derive(Trace)]
struct Node<'gc> {
    map: HashMap<u32, u32, Hasher<'gc>>,
}

#[derive(Trace)]
struct Set<'gc> {
    set: HashSet<u32, Hasher<'gc>>,
}

fn main() {}
