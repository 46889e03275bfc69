//! `#[derive(Trace)]` on types of every shape: that the output compiles, without `unsafe` in the program and without
//! warnings, and the constants it computes. What the output traces is in `derive.rs`.

#![forbid(unsafe_code)]
#![deny(warnings)]
#![allow(dead_code, reason = "types that are derived for, and never made")]

use std::cell::Cell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tricolor_gc::{Gc, GcRefCell, Trace};

/// `(NEEDS_TRACE, DROP_IS_SEND)`. The brand plays no part in the constants.
fn constants<'gc, T: ?Sized + Trace<'gc>>() -> (bool, bool) {
    (T::NEEDS_TRACE, T::DROP_IS_SEND)
}

const LEAF: (bool, bool) = (false, true);
const CONFINED_LEAF: (bool, bool) = (false, false);
const TRACED: (bool, bool) = (true, true);
const CONFINED: (bool, bool) = (true, false);

#[derive(Trace)]
struct Unit;

#[derive(Trace)]
struct Empty {}

#[derive(Trace)]
struct Plain {
    name: String,
    size: u32,
}

#[derive(Trace)]
struct Tuple<'gc>(Gc<'gc, u8>, String, Option<Gc<'gc, str>>);

#[derive(Trace)]
enum Never {}

#[derive(Trace, Clone, Copy)]
enum Value<'gc> {
    Nil,
    Bool(bool),
    Pair(Gc<'gc, Value<'gc>>, Gc<'gc, Value<'gc>>),
    Str { text: Gc<'gc, str>, hash: u32 },
}

#[test]
fn shapes_without_parameters() {
    assert_eq!(constants::<Unit>(), LEAF);
    assert_eq!(constants::<Empty>(), LEAF);
    assert_eq!(constants::<Plain>(), LEAF);
    assert_eq!(constants::<Never>(), LEAF);
    assert_eq!(constants::<Tuple<'_>>(), TRACED);
    assert_eq!(constants::<Value<'_>>(), TRACED);
}

#[derive(Trace)]
struct Generic<'gc, T, U: Clone = u8, const N: usize = 3>
where
    T: PartialEq,
{
    items: [T; N],
    other: Vec<U>,
    brand: PhantomData<Gc<'gc, T>>,
}

#[derive(Trace)]
struct NoLifetime<T>(T);

#[derive(Trace)]
struct UnsizedTail<T: ?Sized> {
    length: usize,
    tail: T,
}

#[derive(Trace)]
#[trace(bound = "")]
struct Pointer<'gc, T>(Gc<'gc, T>);

#[derive(Trace)]
#[trace(bound = "T: Trace<'gc>, U: 'static")]
struct OneTraced<T, U> {
    traced: T,
    #[trace(skip)]
    leaf: U,
}

struct NotTrace;

#[test]
fn generic_parameters() {
    assert_eq!(constants::<Generic<'_, u8>>(), LEAF);
    assert_eq!(constants::<Generic<'_, u8, Rc<u8>>>(), CONFINED_LEAF);
    assert_eq!(constants::<NoLifetime<Gc<'_, u8>>>(), TRACED);
    assert_eq!(constants::<NoLifetime<Box<str>>>(), LEAF);
    assert_eq!(constants::<UnsizedTail<[Gc<'_, u8>]>>(), TRACED);
    assert_eq!(constants::<Pointer<'_, NotTrace>>(), TRACED);
    assert_eq!(constants::<OneTraced<u8, NotTrace>>(), LEAF);
}

#[derive(Trace)]
struct OnlyLifetime<'a>(Gc<'a, u8>);

#[derive(Trace)]
struct NamedGc<'gc, 'other> {
    pointer: Gc<'gc, u8>,
    other: PhantomData<&'other u8>,
}

#[derive(Trace)]
#[trace(gc = 'heap)]
struct Chosen<'gc, 'heap: 'gc> {
    pointer: Gc<'heap, u8>,
    other: PhantomData<&'gc u8>,
}

fn is_branded<'gc, T: Trace<'gc>>(_: PhantomData<&'gc ()>, _: PhantomData<T>) {}

#[test]
fn the_brand_is_found_or_chosen() {
    fn check<'x, 'y: 'x>(x: PhantomData<&'x ()>, y: PhantomData<&'y ()>) {
        is_branded(x, PhantomData::<OnlyLifetime<'x>>);
        is_branded(x, PhantomData::<NamedGc<'x, 'y>>);
        is_branded(y, PhantomData::<Chosen<'x, 'y>>);
        is_branded(x, PhantomData::<Plain>);
        is_branded(y, PhantomData::<Plain>);
    }
    check(PhantomData, PhantomData);
}

#[derive(Trace)]
struct Leaves<'gc> {
    pointer: Gc<'gc, u8>,
    #[trace(skip)]
    at: Option<NotTrace>,
    #[trace(skip)]
    shared: Arc<Cell<u8>>,
}

#[derive(Trace)]
enum LeafInVariant<'gc> {
    Callback(#[trace(skip)] Box<dyn Fn() + Send>),
    Pointer { pointer: Gc<'gc, u8>, at: Instant },
}

#[derive(Trace)]
#[trace(skip)]
struct WholeLeaf<T>(Box<T>, NotTrace);

#[derive(Trace)]
#[trace(skip)]
#[repr(C, packed)]
struct PackedLeaf(u8, u32);

#[derive(Trace)]
#[trace(skip)]
struct WithDrop;

impl Drop for WithDrop {
    fn drop(&mut self) {}
}

#[test]
fn skipped_data_is_not_traced() {
    assert_eq!(
        constants::<Leaves<'_>>(),
        CONFINED,
        "an `Arc` of a `Cell` is not `Send`"
    );
    assert_eq!(constants::<LeafInVariant<'_>>(), TRACED);
    assert_eq!(
        constants::<WholeLeaf<u8>>(),
        CONFINED_LEAF,
        "`T: Send` is not known"
    );
    assert_eq!(constants::<PackedLeaf>(), LEAF);
    assert_eq!(constants::<WithDrop>(), LEAF);
}

#[derive(Trace)]
struct SendFields<'gc> {
    pointer: Gc<'gc, u8>,
    counter: Cell<Option<String>>,
    table: HashMap<Arc<str>, Mutex<Vec<u8>>>,
}

#[derive(Trace)]
struct NoDropGlue {
    cell: Cell<u8>,
    #[trace(skip)]
    raw: *const u8,
}

#[test]
fn drop_is_send_where_the_field_is() {
    assert_eq!(constants::<SendFields<'_>>(), TRACED);
    assert_eq!(constants::<NoDropGlue>(), LEAF);
}

type NativeFn<'gc> = fn(Gc<'gc, u8>) -> Gc<'gc, u8>;

#[derive(Trace)]
struct Functions<'gc> {
    native: for<'a> fn(&'a mut Vec<u8>, Gc<'gc, u8>) -> &'a u8,
    foreign: unsafe extern "C" fn(&u8),
    alias: NativeFn<'gc>,
}

#[derive(Trace)]
struct BinderNamedGc(for<'gc> fn(&'gc u8), u8);

#[test]
fn function_pointers_are_leaves() {
    assert_eq!(constants::<Functions<'_>>(), LEAF);
    assert_eq!(constants::<BinderNamedGc>(), LEAF);
}

#[derive(Trace)]
enum Expr {
    Add(Box<Expr>, Box<Self>),
    Call(Box<Expr>, Vec<(String, Option<Expr>)>),
    Name(String),
}

#[derive(Trace)]
enum ConfinedExpr {
    Not(Box<ConfinedExpr>),
    Shared(Rc<ConfinedExpr>),
    Name(String),
}

#[derive(Trace)]
struct Tree<'gc, T> {
    children: Vec<Tree<'gc, T>>,
    by_name: HashMap<String, Box<Tree<'gc, T>>>,
    value: GcRefCell<T>,
    parent: Option<Gc<'gc, Tree<'gc, T>>>,
}

#[derive(Trace)]
struct List<'gc> {
    next: Option<Gc<'gc, List<'gc>>>,
    unboxed: Gc<'gc, GcRefCell<Vec<Self>>>,
}

/// The parameters alternate, so the constants are not a fixed point over one type.
#[derive(Trace)]
struct Alternating<T, U> {
    first: Option<T>,
    rest: Option<Box<Alternating<U, T>>>,
}

mod path {
    use super::Trace;

    #[derive(Trace)]
    pub(super) struct Node(Option<Box<super::path::Node>>);
}

#[test]
fn types_that_contain_themselves() {
    assert_eq!(constants::<Expr>(), LEAF, "no parameters: no `Gc`");
    assert_eq!(constants::<ConfinedExpr>(), CONFINED_LEAF);
    assert_eq!(
        constants::<Tree<'_, u8>>(),
        CONFINED,
        "`T: Send` is not known"
    );
    assert_eq!(constants::<List<'_>>(), TRACED);
    assert_eq!(constants::<Alternating<u8, Rc<u8>>>(), CONFINED);
    assert_eq!(constants::<path::Node>(), LEAF);
}

#[derive(Trace)]
enum Statement {
    Block(Vec<Statement>),
    Expression(#[trace(recursive)] Box<Expression>),
}

#[derive(Trace)]
enum Expression {
    Closure(Box<Statement>),
    Name(String),
}

fn untied<'gc, T: Trace<'gc>>() -> bool {
    T::UNTIED
}

/// What is traced though it may belong to any heap stays out of cells; see `Trace::UNTIED`.
#[test]
fn recursive_types_without_a_brand_say_so() {
    assert!(untied::<Alternating<u8, u8>>());
    assert!(untied::<Option<Vec<Alternating<u8, u8>>>>());
    assert!(untied::<HashMap<u8, (u8, [Alternating<u8, u8>; 2])>>());
    assert!(!untied::<Expr>());
    assert!(!untied::<Tree<'_, u8>>());
    assert!(!untied::<(u8, Option<List<'_>>)>());
}

#[test]
fn types_that_contain_each_other() {
    assert_eq!(constants::<Statement>(), LEAF);
    assert_eq!(constants::<Expression>(), LEAF);
}

/// Names that the expansion must not confuse with its own.
mod hygiene {
    #![allow(non_camel_case_types)]
    #![no_implicit_prelude]

    mod core {}
    mod std {}
    struct bool;
    struct Option;
    trait Send {}
    trait Sized {}
    trait Drop {}
    const FIELD0: u8 = 0;

    #[derive(::tricolor_gc::Trace)]
    pub(super) struct r#type<'gc, Trace> {
        pub(super) tracer: u8,
        pub(super) r#fn: ::std::vec::Vec<Trace>,
        pub(super) __field0: ::tricolor_gc::Gc<'gc, u8>,
    }

    #[derive(::tricolor_gc::Trace)]
    pub(super) enum Trace {
        Tracer(::std::boxed::Box<Trace>),
        r#match {
            r#self_: u8,
            r#true_: ::std::string::String,
        },
    }

    #[derive(::tricolor_gc::Trace)]
    pub(super) struct Gc(pub(super) ::std::option::Option<::std::boxed::Box<Gc>>);
}

#[test]
fn names_do_not_clash() {
    assert_eq!(constants::<hygiene::r#type<'_, u8>>(), TRACED);
    assert_eq!(constants::<hygiene::Trace>(), LEAF);
    assert_eq!(constants::<hygiene::Gc>(), LEAF);
}

#[test]
fn types_inside_functions() {
    #[derive(Trace)]
    struct Local<'gc, T: 'static> {
        pointer: Gc<'gc, T>,
        #[trace(skip)]
        leaf: T,
    }
    assert_eq!(constants::<Local<'_, u8>>(), TRACED);
}

mod renamed {
    pub(crate) mod gc {
        pub(crate) use tricolor_gc::*;
    }

    #[derive(gc::Trace)]
    #[trace(crate = crate::renamed::gc)]
    pub(super) struct Renamed<'gc> {
        pub(super) pointer: gc::Gc<'gc, u8>,
        pub(super) next: Option<Box<Renamed<'gc>>>,
        #[trace(skip)]
        pub(super) leaf: u8,
    }
}

#[test]
fn the_crate_may_be_elsewhere() {
    assert_eq!(constants::<renamed::Renamed<'_>>(), TRACED);
}

macro_rules! define {
    ($name:ident, $lifetime:lifetime, $ty:ty) => {
        #[derive(Trace)]
        struct $name<$lifetime> {
            pointer: Gc<$lifetime, $ty>,
            field: $ty,
            next: Option<Box<$name<$lifetime>>>,
        }
    };
}

define!(FromMacro, 'x, Option<u8>);

#[test]
fn types_from_macros() {
    assert_eq!(constants::<FromMacro<'_>>(), TRACED);
}
