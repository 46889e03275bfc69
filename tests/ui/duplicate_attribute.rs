use tricolor_gc::Trace;

#[derive(Trace)]
#[trace(bound = "")]
#[trace(bound = "T: Trace<'gc>")]
struct Node<T> {
    #[trace(skip, skip)]
    name: String,
    value: T,
}

fn main() {}
