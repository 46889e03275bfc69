use tricolor_gc::Trace;

#[derive(Trace)]
union Word {
    integer: u64,
    float: f64,
}

fn main() {}
