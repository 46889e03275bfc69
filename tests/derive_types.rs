//! `#[derive(Trace)]` prints no type of a field: what one means, the compiler finds where the field is. So fields may be written as macros,
//! and names that mean something else beside the derive's output mislead nobody.

#![forbid(unsafe_code)]
#![allow(dead_code, missing_docs)]

use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

use late_attribute::becomes;
use tricolor_gc::{Gc, GcWeak, Heap, Root, Rootable, Trace};

/// `(NEEDS_TRACE, DROP_IS_SEND)`.
fn constants<'gc, T: ?Sized + Trace<'gc>>() -> (bool, bool) {
    (T::NEEDS_TRACE, T::DROP_IS_SEND)
}

/// An object of type `$holder` keeps what its pointer `$pointer` leads to, and nothing else does.
macro_rules! assert_keeps {
    ($holder:ty, $target:ty: $new:expr, |$pointer:ident| $make:expr) => {{
        let mut mutator = Heap::new().attach();
        let (root, weak) = mutator.enter(|mc| {
            let $pointer: Gc<'_, $target> = Gc::new(mc, $new);
            let weak = Gc::new(mc, Gc::downgrade($pointer, mc));
            let root: Root<Rootable![$holder]> = Root::new(mc, Gc::new(mc, $make));
            let weak: Root<Rootable!['gc => GcWeak<'gc, $target>]> = Root::new(mc, weak);
            (root, weak)
        });
        mutator.collect();
        assert!(mutator.enter(|mc| weak.get(mc).upgrade(mc).is_some()));
        drop(root);
        mutator.collect();
        assert!(mutator.enter(|mc| weak.get(mc).upgrade(mc).is_none()));
    }};
}

macro_rules! link {
    () => {
        Option<Gc<'gc, u8>>
    };
}

#[derive(Trace)]
struct Linked<'gc> {
    next: link!(),
    all: Vec<link!()>,
}

#[test]
fn a_macro_is_a_fields_type() {
    assert_keeps!(Linked<'_>, u8: 1, |pointer| Linked {
        next: Some(pointer),
        all: Vec::new(),
    });
    assert_keeps!(Linked<'_>, u8: 1, |pointer| Linked {
        next: None,
        all: vec![None, Some(pointer)],
    });
}

struct Size<const N: usize>;

trait Choose<'gc> {
    type Type;
}

impl<'gc> Choose<'gc> for Size<1> {
    type Type = Gc<'gc, u8>;
}

/// An attribute, which could be a macro that chooses another size each time.
#[derive(Trace)]
struct Chosen<'gc> {
    pointer: <Size<
        {
            #[derive(Clone)]
            struct Byte(u8);
            size_of::<Byte>()
        },
    > as Choose<'gc>>::Type,
}

#[test]
fn a_type_that_depends_on_a_block_is_that_of_the_field() {
    assert_keeps!(Chosen<'_>, u8: 1, |pointer| Chosen { pointer });
}

#[derive(Trace)]
struct Holder<T>(T);

impl<T> Deref for Holder<Gc<'_, T>> {
    type Target = Holder<T>;

    fn deref(&self) -> &Holder<T> {
        panic!("nobody goes this way")
    }
}

/// By the clauses the placeholder could be `T`; the field, which the attribute puts there, is a pointer.
#[derive(Trace)]
#[trace(bound = "T: Trace<'gc>, Holder<T>: Trace<'gc> + Send")]
#[becomes(struct Inferred<'gc, T> { pointer: Holder<Gc<'gc, T>>, brand: PhantomData<&'gc ()> })]
struct Inferred<'gc, T> {
    pointer: Holder<_>,
    brand: PhantomData<&'gc ()>,
}

#[derive(Trace)]
#[becomes(struct Array<'gc> { pointers: [Gc<'gc, u8>; 1] })]
struct Array<'gc> {
    pointers: [Gc<'gc, u8>; _],
}

/// The derive sees one type, the program has another.
#[derive(Trace)]
#[becomes(struct Replaced<'gc> { pointer: Gc<'gc, Box<str>> })]
struct Replaced<'gc> {
    pointer: Box<str>,
}

#[test]
fn what_is_traced_is_what_is_compiled() {
    assert_keeps!(Inferred<'_, u8>, u8: 1, |pointer| Inferred {
        pointer: Holder(pointer),
        brand: PhantomData,
    });
    assert_keeps!(Array<'_>, u8: 1, |pointer| Array { pointers: [pointer] });
    assert_keeps!(Replaced<'_>, Box<str>: "text".into(), |pointer| Replaced { pointer });
}

trait Local {}

/// Neither is known to be `Send`.
struct AtHome(Rc<u8>, Option<&'static dyn Local>);

/// The block in the code's type has a trait by the name of the derive's.
#[derive(Trace)]
struct WithItems {
    #[trace(skip)]
    data: AtHome,
    code: fn(
        [u8; {
            trait __Otherwise {
                fn __if_send(self) -> bool;
            }
            impl __Otherwise for AtHome {
                fn __if_send(self) -> bool {
                    true
                }
            }
            0
        }],
    ),
}

/// A reference to it becomes one to something that is.
struct Confined(Rc<u8>, String);

impl Deref for Confined {
    type Target = String;

    fn deref(&self) -> &String {
        &self.1
    }
}

#[derive(Trace)]
struct Dereferenced {
    #[trace(skip)]
    data: Confined,
}

/// For the answers of enums each field is found in its variant.
#[derive(Trace)]
enum Either<'gc, T> {
    Sent(#[trace(skip)] String),
    AtHome(#[trace(skip)] Rc<u8>),
    Pointers(Gc<'gc, T>, T),
}

#[derive(Trace)]
enum Plain {
    A(u8, String),
    B { data: Vec<u8> },
    C,
}

#[test]
fn whether_a_field_is_send_is_asked_of_the_field() {
    assert_eq!(constants::<WithItems>(), (false, false));
    assert_eq!(constants::<Dereferenced>(), (false, false));
    assert_eq!(constants::<Either<'_, u8>>(), (true, false));
    assert_eq!(constants::<Plain>(), (false, true));
}

/// A tree that may belong to any heap is traced, and no cell of it is written.
#[derive(Trace)]
enum Tree<T> {
    Node(Vec<Tree<T>>),
    Leaf(T),
}

trait Grow {}

impl Grow for Tree<u8> {}

/// A tree unsizes to it, in a cell too.
#[derive(Trace)]
#[trace(skip)]
#[becomes(type Object = dyn Grow;)]
struct Object;

struct Ends<B, T: ?Sized>(Tree<u8>, PhantomData<B>, T);

#[derive(Trace)]
#[becomes(type EndsSized<'gc> = Ends<&'gc (), [u8; 4]>;)]
struct EndsSized<'gc>(Tree<u8>, PhantomData<&'gc ()>, [u8; 4]);

/// The one above unsizes to it.
#[derive(Trace)]
#[trace(bound = "")]
#[becomes(type EndsUnsized<B> = Ends<B, [u8]>;)]
struct EndsUnsized<B>(#[trace(skip)] Tree<u8>, PhantomData<B>, [u8]);

#[derive(Trace)]
struct Branded<'gc>(PhantomData<&'gc ()>, [u8]);

fn is_traced_and_untied<'gc, T: ?Sized + Trace<'gc>>() -> (bool, bool) {
    (T::NEEDS_TRACE, T::UNTIED)
}

#[test]
fn what_others_unsize_to_counts_as_traced() {
    assert_eq!(is_traced_and_untied::<Tree<u8>>(), (true, true));
    assert_eq!(is_traced_and_untied::<Object>(), (true, true));
    assert_eq!(is_traced_and_untied::<EndsSized<'_>>(), (true, false));
    assert_eq!(is_traced_and_untied::<EndsUnsized<&()>>(), (true, true));
    assert_eq!(is_traced_and_untied::<Branded<'_>>(), (true, true));
}
