use tricolor_gc::Trace;

#[derive(Trace)]
struct Node {
    #[trace(skip, recursive)]
    name: String,
}

#[derive(Trace)]
#[trace(skip)]
struct Leaf {
    #[trace(skip)]
    name: String,
}

fn main() {}
