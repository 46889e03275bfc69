//! What derived implementations trace: everything reachable through a field survives a cycle, and all of it is freed
//! once the root is gone.

#![forbid(unsafe_code)]
#![allow(dead_code, reason = "skipped fields are there to be skipped")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::num::{Saturating, Wrapping};
use std::ops::{Bound, ControlFlow, Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tricolor_gc::{ByIdentity, Gc, GcRefCell, Heap, Root, Rootable, Trace};

/// Counts how many of its kind have been dropped.
#[derive(Trace)]
#[trace(skip)]
struct Witness(Arc<AtomicUsize>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Leaf<'gc> = Gc<'gc, Witness>;

/// Roots a value that holds `$count` leaves; they must live exactly as long as the root.
macro_rules! traces {
    ($count:literal, $root:ty, |$leaf:ident, $mc:ident| $value:expr) => {{
        let drops = Arc::new(AtomicUsize::new(0));
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let mut mutator = heap.attach();
        let root: Root<Rootable![$root]> = mutator.enter(|$mc| {
            let $leaf = || Gc::new($mc, Witness(Arc::clone(&drops)));
            Root::new($mc, Gc::new($mc, $value))
        });
        mutator.collect();
        mutator.collect();
        assert_eq!(drops.load(Ordering::Relaxed), 0, "freed while reachable");
        drop(root);
        mutator.collect();
        mutator.collect();
        assert_eq!(
            drops.load(Ordering::Relaxed),
            $count,
            "kept while unreachable"
        );
    }};
}

#[derive(Trace)]
struct Named<'gc> {
    first: Leaf<'gc>,
    number: u64,
    second: Option<Leaf<'gc>>,
    #[trace(skip)]
    skipped: String,
    third: Box<Leaf<'gc>>,
}

#[test]
fn every_named_field() {
    traces!(3, Named<'_>, |leaf, mc| Named {
        first: leaf(),
        number: 7,
        second: Some(leaf()),
        skipped: String::from("skipped"),
        third: Box::new(leaf()),
    });
}

#[derive(Trace)]
struct Positional<'gc>(Leaf<'gc>, #[trace(skip)] u8, Leaf<'gc>);

#[test]
fn every_positional_field() {
    traces!(2, Positional<'_>, |leaf, mc| Positional(leaf(), 0, leaf()));
}

#[derive(Trace)]
enum Choice<'gc> {
    Nothing,
    One(Leaf<'gc>),
    Two(#[trace(skip)] u8, Leaf<'gc>, Leaf<'gc>),
    Named {
        left: Leaf<'gc>,
        right: Option<Leaf<'gc>>,
    },
}

#[test]
fn every_field_of_every_variant() {
    traces!(0, Choice<'_>, |_leaf, mc| Choice::Nothing);
    traces!(1, Choice<'_>, |leaf, mc| Choice::One(leaf()));
    traces!(2, Choice<'_>, |leaf, mc| Choice::Two(0, leaf(), leaf()));
    traces!(2, Choice<'_>, |leaf, mc| Choice::Named {
        left: leaf(),
        right: Some(leaf())
    });
    traces!(1, Choice<'_>, |leaf, mc| Choice::Named {
        left: leaf(),
        right: None
    });
}

#[derive(Trace)]
struct Generic<T, U, const N: usize> {
    items: [T; N],
    other: (u8, U),
}

#[test]
fn fields_of_parameter_types() {
    traces!(3, Generic<Leaf<'_>, Option<Leaf<'_>>, 2>, |leaf, mc| {
        Generic {
            items: [leaf(), leaf()],
            other: (1, Some(leaf())),
        }
    });
}

#[derive(Trace)]
#[trace(gc = 'heap)]
struct OtherLifetime<'heap, 'other> {
    leaf: Leaf<'heap>,
    other: PhantomData<&'other u8>,
}

#[test]
fn types_with_a_chosen_brand() {
    traces!(1, OtherLifetime<'_, 'static>, |leaf, mc| OtherLifetime {
        leaf: leaf(),
        other: PhantomData,
    });
}

#[derive(Trace)]
struct Collections<'gc> {
    list: Vec<Leaf<'gc>>,
    queue: VecDeque<Choice<'gc>>,
    by_name: HashMap<String, Leaf<'gc>>,
    sorted: BTreeMap<u8, Result<Leaf<'gc>, String>>,
    slice: Box<[Leaf<'gc>]>,
    cell: GcRefCell<Vec<Leaf<'gc>>>,
}

#[test]
fn collections_of_pointers() {
    traces!(9, Collections<'_>, |leaf, mc| Collections {
        list: vec![leaf(), leaf()],
        queue: VecDeque::from([Choice::Nothing, Choice::One(leaf())]),
        by_name: HashMap::from([(String::from("a"), leaf())]),
        sorted: BTreeMap::from([(1, Ok(leaf())), (2, Err(String::new()))]),
        slice: Box::new([leaf(), leaf()]),
        cell: GcRefCell::new(vec![leaf(), leaf()]),
    });
}

/// What else of the standard library may hold pointers, each place of each.
#[derive(Trace)]
struct Holders<'gc> {
    range: (Range<Leaf<'gc>>, RangeInclusive<Leaf<'gc>>),
    half: (RangeFrom<Leaf<'gc>>, RangeTo<Leaf<'gc>>),
    half_inclusive: RangeToInclusive<Leaf<'gc>>,
    bounds: [Bound<Leaf<'gc>>; 3],
    numbers: (
        Reverse<Leaf<'gc>>,
        Wrapping<Leaf<'gc>>,
        Saturating<Leaf<'gc>>,
    ),
    outcomes: [Result<Leaf<'gc>, Leaf<'gc>>; 2],
    flow: [ControlFlow<Leaf<'gc>, Leaf<'gc>>; 2],
    list: LinkedList<Leaf<'gc>>,
    set: HashSet<ByIdentity<'gc, Witness>>,
    keys: HashMap<ByIdentity<'gc, Witness>, u8>,
    errors: BTreeMap<u8, Result<u8, Leaf<'gc>>>,
}

#[test]
fn every_place_of_a_holder() {
    traces!(20, Holders<'_>, |leaf, mc| Holders {
        range: (leaf()..leaf(), leaf()..=leaf()),
        half: (leaf().., ..leaf()),
        half_inclusive: ..=leaf(),
        bounds: [
            Bound::Included(leaf()),
            Bound::Excluded(leaf()),
            Bound::Unbounded
        ],
        numbers: (Reverse(leaf()), Wrapping(leaf()), Saturating(leaf())),
        outcomes: [Ok(leaf()), Err(leaf())],
        flow: [ControlFlow::Break(leaf()), ControlFlow::Continue(leaf())],
        list: LinkedList::from([leaf()]),
        set: HashSet::from([ByIdentity(leaf())]),
        keys: HashMap::from([(ByIdentity(leaf()), 1)]),
        errors: BTreeMap::from([(1, Ok(2)), (2, Err(leaf()))]),
    });
}

/// In the order of its number.
#[derive(Trace)]
struct Numbered<'gc>(u8, Leaf<'gc>);

impl PartialEq for Numbered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Numbered<'_> {}

impl PartialOrd for Numbered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numbered<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// Whose elements have an order.
#[derive(Trace)]
struct Ordered<'gc> {
    keys: BTreeMap<Numbered<'gc>, u8>,
    pairs: BTreeMap<Numbered<'gc>, Leaf<'gc>>,
    set: BTreeSet<Numbered<'gc>>,
    heap: BinaryHeap<Numbered<'gc>>,
    hashed: HashMap<ByIdentity<'gc, Witness>, Leaf<'gc>>,
}

#[test]
fn every_place_of_an_ordered_collection() {
    traces!(12, Ordered<'_>, |leaf, mc| {
        let numbered = |number| Numbered(number, leaf());
        Ordered {
            keys: BTreeMap::from([(numbered(1), 1), (numbered(2), 2)]),
            pairs: BTreeMap::from([(numbered(1), leaf()), (numbered(2), leaf())]),
            set: BTreeSet::from([numbered(1), numbered(2)]),
            heap: BinaryHeap::from([numbered(1), numbered(2)]),
            hashed: HashMap::from([(ByIdentity(leaf()), leaf())]),
        }
    });
}

/// It contains itself both in place and behind pointers.
#[derive(Trace)]
struct Tree<'gc> {
    leaf: Leaf<'gc>,
    children: Vec<Tree<'gc>>,
    shared: Option<Gc<'gc, Tree<'gc>>>,
}

impl<'gc> Tree<'gc> {
    fn new(leaf: Leaf<'gc>, children: Vec<Tree<'gc>>) -> Self {
        Tree {
            leaf,
            children,
            shared: None,
        }
    }
}

#[test]
fn types_that_contain_themselves() {
    traces!(5, Tree<'_>, |leaf, mc| {
        let shared = Gc::new(mc, Tree::new(leaf(), vec![Tree::new(leaf(), vec![])]));
        let child = Tree::new(leaf(), vec![Tree::new(leaf(), vec![])]);
        Tree {
            leaf: leaf(),
            children: vec![child],
            shared: Some(shared),
        }
    });
}

#[derive(Trace)]
struct Statement<'gc> {
    leaf: Leaf<'gc>,
    #[trace(recursive)]
    value: Option<Box<Expression<'gc>>>,
}

#[derive(Trace)]
struct Expression<'gc> {
    leaf: Leaf<'gc>,
    body: Vec<Statement<'gc>>,
}

#[test]
fn types_that_contain_each_other() {
    traces!(3, Statement<'_>, |leaf, mc| {
        let inner = Statement {
            leaf: leaf(),
            value: None,
        };
        let value = Expression {
            leaf: leaf(),
            body: vec![inner],
        };
        Statement {
            leaf: leaf(),
            value: Some(Box::new(value)),
        }
    });
}

/// Types with the names of std's, whose parts depend on what they are asked about.
mod shadowed {
    use std::fmt::Debug;

    use tricolor_gc::Trace;

    pub(super) trait Choose {
        type Chosen;
    }

    impl<T: Debug> Choose for T {
        type Chosen = u8;
    }

    impl<'gc> Choose for Chooser<'gc> {
        type Chosen = super::Leaf<'gc>;
    }

    #[derive(Trace)]
    #[trace(bound = "T: Choose, T::Chosen: Trace<'gc>")]
    pub(super) struct Vec<T: Choose>(pub(super) T::Chosen);

    #[derive(Trace)]
    #[trace(bound = "T: Choose, T::Chosen: Trace<'gc>")]
    pub(super) struct Box<T: Choose>(pub(super) T::Chosen);

    #[derive(Trace)]
    pub(super) struct Chooser<'gc> {
        pub(super) list: Vec<Chooser<'gc>>,
        pub(super) boxed: Option<Box<Self>>,
    }
}

#[test]
fn the_name_of_a_container_proves_nothing() {
    traces!(2, shadowed::Chooser<'_>, |leaf, mc| shadowed::Chooser {
        list: shadowed::Vec(leaf()),
        boxed: Some(shadowed::Box(leaf())),
    });
}
