use tricolor_gc::Trace;

#[derive(Trace)]
enum Value {
    #[trace(skip)]
    Name(String),
}

fn main() {}
