//! The constants of the implementations. What they trace is tested with a heap, in `tests/derive.rs`.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::rc::{self, Rc};
use std::sync::{self, Arc, Mutex};

use super::Static;
use crate::trace::{Trace, Tracer};

/// Needs tracing and must be dropped on its own thread.
struct Pinned {
    _byte: u8,
}

// SAFETY: it holds no pointer (T1) and drops nothing (T3, T4, T6). It breaks T5, but only its constants are asked for: none is in a heap.
unsafe impl<'gc> Trace<'gc> for Pinned {
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

/// The same without a byte.
struct Nothing;

// SAFETY: it holds no pointer (T1) and drops nothing (T3, T4, T6). It breaks T5, but only its constants are asked for: none is in a heap.
unsafe impl<'gc> Trace<'gc> for Nothing {
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

/// `(NEEDS_TRACE, DROP_IS_SEND)`
fn constants<T: ?Sized + for<'gc> Trace<'gc>>() -> (bool, bool) {
    (
        <T as Trace<'static>>::NEEDS_TRACE,
        <T as Trace<'static>>::DROP_IS_SEND,
    )
}

const LEAF: (bool, bool) = (false, true);
const CONFINED_LEAF: (bool, bool) = (false, false);
const TRACED: (bool, bool) = (true, false);

#[test]
fn plain_data_is_a_leaf_dropped_anywhere() {
    assert_eq!(constants::<u8>(), LEAF);
    assert_eq!(constants::<String>(), LEAF);
    assert_eq!(constants::<Path>(), LEAF);
    assert_eq!(constants::<&'static str>(), LEAF);
    assert_eq!(constants::<fn(Rc<u8>) -> Pinned>(), LEAF);
    assert_eq!(constants::<std::marker::PhantomData<Pinned>>(), LEAF);
}

#[test]
fn owners_answer_for_their_content() {
    assert_eq!(constants::<Option<Box<[u8]>>>(), LEAF);
    assert_eq!(constants::<(u8, Vec<String>, [char; 3])>(), LEAF);
    assert_eq!(constants::<HashMap<String, VecDeque<u8>>>(), LEAF);
    assert_eq!(constants::<(u8, Vec<Pinned>)>(), TRACED);
    assert_eq!(constants::<Vec<Nothing>>(), CONFINED_LEAF);
    assert_eq!(constants::<[Nothing; 3]>(), CONFINED_LEAF);
    assert_eq!(constants::<Box<[Nothing]>>(), CONFINED_LEAF);
    assert_eq!(constants::<HashMap<String, Pinned>>(), TRACED);
    assert_eq!(constants::<BTreeMap<Pinned, u8>>(), TRACED);
    assert_eq!(constants::<Result<u8, Pinned>>(), TRACED);
    assert_eq!(constants::<BinaryHeap<Rc<u8>>>(), CONFINED_LEAF);
}

#[test]
fn hashers_with_drop_glue_confine_the_map() {
    assert_eq!(constants::<HashSet<u8, Rc<u8>>>(), CONFINED_LEAF);
}

#[test]
fn shared_and_mutable_data_is_a_leaf() {
    assert_eq!(constants::<Rc<u8>>(), CONFINED_LEAF);
    // Both count in memory that they share with the owners.
    assert_eq!(constants::<rc::Weak<u8>>(), CONFINED_LEAF);
    assert_eq!(constants::<Arc<str>>(), LEAF);
    assert_eq!(constants::<sync::Weak<str>>(), LEAF);
    assert_eq!(constants::<Cell<u8>>(), LEAF);
    assert_eq!(constants::<RefCell<Vec<Rc<u8>>>>(), CONFINED_LEAF);
    assert_eq!(constants::<Mutex<u8>>(), LEAF);
    assert_eq!(constants::<Cow<'static, str>>(), LEAF);
    assert_eq!(constants::<Cow<'static, [Rc<u8>]>>(), CONFINED_LEAF);
    assert_eq!(constants::<Static<Box<dyn Any>>>(), CONFINED_LEAF);
    assert_eq!(constants::<Static<*const u8>>(), LEAF);
}
