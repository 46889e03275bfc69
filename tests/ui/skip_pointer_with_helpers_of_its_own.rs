use tricolor_gc::{Gc, Trace};

/// The real trait, beside functions that would let everything pass.
mod fake {
    pub use tricolor_gc::{Trace, Tracer};

    pub const fn __assert_static<T: ?Sized>() {}

    pub mod __private {
        pub const fn assert_static<T: ?Sized>() {}
        pub const fn __assert_static<T: ?Sized>() {}
    }
}

use fake::__assert_static;

#[derive(Trace)]
#[trace(crate = crate::fake)]
struct Node<'gc> {
    #[trace(skip)]
    pointer: Gc<'gc, u8>,
}

fn main() {
    __assert_static::<Node<'_>>();
}
