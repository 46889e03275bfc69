//! The constants of the implementations. What they trace is tested with a heap, in `tests/derive.rs`.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::rc::{self, Rc};
use std::sync::{self, Arc, Mutex};

use super::Static;
use crate::mark::tracer::Meet;
use crate::trace::{Trace, Tracer};
use crate::{GcMutex, GcOnceCell, GcRefCell, GcRwLock};

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

/// What `value` owns, as it is measured.
fn owned<T: for<'gc> Trace<'gc>>(value: T) -> usize {
    let mut tracer = Tracer::new();
    tracer.meet = Meet::Measure;
    value.trace(tracer.rebrand());
    assert!(tracer.edges.is_empty());
    tracer.owned
}

#[test]
fn what_values_own_is_measured() {
    let text = || String::with_capacity(100);
    assert_eq!(owned(7_u64) + owned([0_u8; 100]) + owned(String::new()), 0);
    assert_eq!(owned(text()), 100);
    assert_eq!(owned(Vec::<u32>::with_capacity(10)), 40);
    assert_eq!(owned(vec![text(), text()]), 2 * 24 + 200);
    assert_eq!(owned([text(), text()]), 200);
    assert_eq!(owned((1, Some(text()), Ok::<_, String>(text()))), 200);
    assert_eq!(owned(Box::new([0_u64; 5])), 40);
    assert_eq!(owned(Box::new(text())), 24 + 100);
    assert_eq!(owned(VecDeque::from([1_u8, 2, 3])), 3);
    assert_eq!(owned(BinaryHeap::from([text()])), 24 + 100);
    assert_eq!(owned(BTreeMap::from([(1_u64, text())])), 32 + 100);
    let map: HashMap<u64, String> = [(1, text())].into();
    let room = map.capacity();
    assert_eq!(owned(map), room * 32 + 100);
    let set: HashSet<u64> = [1].into();
    let room = set.capacity();
    assert_eq!(owned(set), room * 8);
    assert_eq!(owned(Path::new("abc").to_owned()), 3);
    assert_eq!(owned(Cow::<str>::Owned(text())), 100);
    assert_eq!(owned(Cow::Borrowed("text")), 0);
    let cells = (GcRefCell::new(text()), GcMutex::new(vec![text()]));
    assert_eq!(owned(cells), 100 + 24 + 100);
    assert_eq!(
        owned((GcOnceCell::<String>::new(), GcRwLock::new(text()))),
        100
    );
    assert_eq!(owned((vec![(); 1 << 40], Vec::<u64>::new())), 0);
    // What is shared is nobody's, and what is skipped or in another's cell is not looked at.
    assert_eq!(
        owned((Rc::new(text()), Static(text()), RefCell::new(text()))),
        0
    );
}

#[test]
fn while_it_is_traced_for_marking_nothing_is_measured() {
    let mut tracer = Tracer::new();
    vec![String::from("text")].trace(tracer.rebrand());
    assert_eq!(tracer.owned, 0);
}
