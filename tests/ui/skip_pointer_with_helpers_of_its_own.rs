use tricolor_gc::{Gc, Trace};

/// What the derive needs, all of it real.
mod real {
    pub use tricolor_gc::{__Answers, __Branded, Trace, Tracer};
}

/// The real trait, beside a tracer whose functions let everything pass.
mod fake {
    use std::marker::PhantomData;

    pub use tricolor_gc::{__Answers, __Branded, Trace};

    pub struct Tracer<'gc>(PhantomData<&'gc mut &'gc ()>);

    const LEAF: __Answers = __Answers {
        needs_trace: false,
        untied: false,
        immutable: true,
        cells_inline: true,
        drop_is_send: true,
        measured: true,
    };

    impl Tracer<'_> {
        pub const fn __skipped<S: ?Sized, T: ?Sized, A>(_: fn(&mut S) -> (A, &mut T)) -> __Answers {
            LEAF
        }

        pub const fn __drop_probe<S: ?Sized>() {}

        pub const fn __outlives<S: ?Sized>(_: &mut &S) {}

        pub const fn __place_of<T: ?Sized>(_: &mut T) {}

        pub const fn __answers<S: ?Sized>(_: bool, _: bool, _: &[__Answers]) -> __Answers {
            LEAF
        }
    }
}

/// A trait on the real tracer, which has functions of these names.
trait LetsPass {
    fn __skipped<S: ?Sized, T: ?Sized, A>(_: fn(&mut S) -> (A, &mut T)) {}
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
