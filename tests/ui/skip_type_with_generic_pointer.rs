use tricolor_gc::{Gc, Trace};

// `T` becomes `'static`, so the skipped type is no way to hide a pointer.
#[derive(Trace)]
#[trace(skip)]
struct Hidden<T>(T);

fn needs_trace<'gc, T: Trace<'gc>>(_: T) {}

fn hide<'gc>(pointer: Gc<'gc, u8>) {
    needs_trace::<'gc>(Hidden(pointer));
}

fn main() {}
