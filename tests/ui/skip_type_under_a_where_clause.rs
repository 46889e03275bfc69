use tricolor_gc::{Gc, Trace};

enum Two<T> {
    /// Two bytes, where the derive's function of that name has none.
    #[allow(non_camel_case_types)]
    __assert_static,
    Other(T),
}

use Two::__assert_static;

struct Size<const N: usize>;

trait Choose<T> {
    type Type;
}

impl<T> Choose<T> for Size<2> {
    type Type = u8;
}

impl<T> Choose<T> for Size<0> {
    type Type = T;
}

// Says that `u8` is `'static`; beside the derive's function, that `T` is.
#[derive(Trace)]
#[trace(skip, bound = "")]
struct Hidden<T>(T)
where
    <Size<{ size_of_val(&__assert_static::<u8>) }> as Choose<T>>::Type: 'static;

fn needs_trace<'gc, T: Trace<'gc>>(_: T) {}

fn hide<'gc>(pointer: Gc<'gc, u8>) {
    needs_trace::<'gc>(Hidden(pointer));
}

fn main() {
    let _ = Two::Other(1);
}
