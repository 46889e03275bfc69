use tricolor_gc::Trace;

#[derive(Trace)]
struct Node<T> {
    #[trace(skip)]
    value: Vec<T>,
}

fn main() {}
