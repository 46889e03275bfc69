use tricolor_gc::{Gc, Trace};

/// The real trait and its tracer.
mod real {
    pub use tricolor_gc::{Trace, Tracer};
}

/// The real trait, beside a tracer whose functions let everything pass.
mod fake {
    use std::marker::PhantomData;

    pub use tricolor_gc::Trace;

    pub struct Tracer<'gc>(PhantomData<&'gc mut &'gc ()>);

    pub struct Answers {
        pub needs_trace: bool,
        pub untied: bool,
        pub immutable: bool,
        pub cells_inline: bool,
        pub drop_is_send: bool,
    }

    impl Tracer<'_> {
        pub const fn __skipped<S: ?Sized, T: ?Sized>(_: fn(&mut S) -> &mut T) -> Answers {
            Answers {
                needs_trace: false,
                untied: false,
                immutable: true,
                cells_inline: true,
                drop_is_send: true,
            }
        }

        pub const fn __drop_probe<S: ?Sized>() {}

        pub const fn __place_of<T: ?Sized>(_: &mut T) {}

        pub const fn __is_send<S: ?Sized>(_: fn(&mut S)) -> bool {
            true
        }

        pub const fn __is_unsized<S: ?Sized>() -> bool {
            false
        }

        pub const fn __has_no_glue<S: ?Sized>() -> bool {
            true
        }
    }
}

/// A trait on the real tracer, which has functions of these names.
trait LetsPass {
    fn __skipped<S: ?Sized, T: ?Sized>(_: fn(&mut S) -> &mut T) {}
}

impl LetsPass for tricolor_gc::Tracer<'_> {}

#[derive(Trace)]
#[trace(crate = crate::real)]
struct Node<'gc> {
    #[trace(skip)]
    pointer: Gc<'gc, u8>,
}

#[derive(Trace)]
#[trace(crate = crate::fake)]
struct Other<'gc> {
    #[trace(skip)]
    pointer: Gc<'gc, u8>,
}

fn main() {}
