use tricolor_gc::{Gc, Trace};

#[derive(Trace)]
#[trace(no_drop)]
struct Node<'gc> {
    #[trace(ignore)]
    pointer: Gc<'gc, u8>,
}

#[derive(Trace)]
#[trace]
struct NoList;

#[derive(Trace)]
#[trace(bound = "T Trace")]
struct BadBound<T>(T);

// The fallback implementations let the uses compile.
fn needs_trace<'gc, T: Trace<'gc>>() {}

fn main() {
    needs_trace::<Node<'_>>();
    needs_trace::<NoList>();
    needs_trace::<BadBound<u8>>();
}
