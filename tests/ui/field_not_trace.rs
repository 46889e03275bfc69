use tricolor_gc::Trace;

struct Foreign;

#[derive(Trace)]
struct Node {
    foreign: Foreign,
}

#[derive(Trace)]
#[trace(bound = "")]
struct Unbounded<T> {
    value: T,
}

fn main() {}
