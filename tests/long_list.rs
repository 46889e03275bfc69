//! Depth costs no stack: a list of ten million links is marked, and dies, on threads with small stacks.

mod common;

use common::{Drops, Token, heap, heaps};
use tricolor_gc::{Barrier, Gc, GcCell, GcSlot, Root, Rootable, Trace};

/// Links of the longest list: 320 MB in objects of 32 bytes, or 160 MB in objects of 16.
const TEN_MILLION: usize = 10_000_000;
/// Enough to overflow any stack that marking or dropping would recurse on.
const MILLION: usize = 1_000_000;

#[derive(Trace)]
struct Link<'gc> {
    next: Option<Gc<'gc, Link<'gc>>>,
    number: usize,
}

#[test]
fn ten_million_links_are_marked_and_die() {
    let heap = heap(Barrier::Hybrid, 1);
    let mut mutator = heap.attach();
    let mut root: Option<Root<Rootable![Link<'_>]>> = None;
    // In portions, as a program that lets cycles through.
    for portion in 0..100 {
        root = Some(mutator.enter(|mc| {
            let mut last = root.as_ref().map(|root| root.get(mc));
            for index in 0..TEN_MILLION / 100 {
                let number = portion * (TEN_MILLION / 100) + index;
                last = Some(Gc::new(mc, Link { next: last, number }));
            }
            Root::new(mc, last.unwrap())
        }));
    }
    let cycle = mutator.collect();
    assert_eq!(cycle.objects_live, TEN_MILLION as u64, "{cycle}");
    mutator.enter(|mc| {
        let mut link = root.as_ref().unwrap().get(mc);
        let mut expected = TEN_MILLION;
        loop {
            expected -= 1;
            assert_eq!(link.number, expected);
            let Some(next) = link.next else { break };
            link = next;
        }
        assert_eq!(expected, 0);
    });
    drop(root);
    let cycle = mutator.collect();
    assert_eq!(
        (cycle.objects_live, cycle.objects_freed),
        (0, TEN_MILLION as u64),
        "{cycle}"
    );
}

/// Both ways of linking, with a destructor in each link, under each barrier; the mutator marks, on a stack of 128 KiB.
#[test]
fn a_million_links_with_destructors_on_a_small_stack() {
    #[derive(Trace)]
    struct Chain<'gc> {
        forth: GcSlot<Option<Gc<'gc, Chain<'gc>>>>,
        back: GcCell<Option<Gc<'gc, Chain<'gc>>>>,
        _token: Token,
    }
    let run = |barrier| {
        let heap = heap(barrier, 0);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Rootable![Chain<'_>]> = mutator.enter(|mc| {
            let new = || {
                let (forth, back) = (GcSlot::new(None), GcCell::new(None));
                Gc::new(
                    mc,
                    Chain {
                        forth,
                        back,
                        _token: drops.token(),
                    },
                )
            };
            let first = new();
            let mut last = first;
            for _ in 1..MILLION {
                let link = new();
                last.forth.set(mc, Some(link));
                link.back.set(mc, Some(last));
                last = link;
            }
            Root::new(mc, first)
        });
        assert_eq!(mutator.collect().objects_live, MILLION as u64);
        drop(root);
        mutator.collect();
        assert_eq!(drops.count(), MILLION);
    };
    for barrier in common::BARRIERS {
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        thread.spawn(move || run(barrier)).unwrap().join().unwrap();
    }
}

/// What an object owns through `Box` is part of the object: it is traced by recursion, as `Drop` of it recurses. So deep
/// structures are built of `Gc`, and what is nested a thousand deep is no trouble.
#[test]
fn boxes_in_an_object_are_traced_in_place() {
    #[derive(Trace)]
    struct Nested<'gc> {
        inner: Option<Box<Nested<'gc>>>,
        leaf: Gc<'gc, Token>,
    }
    let heap = heap(Barrier::Hybrid, 0);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let root: Root<Rootable![Nested<'_>]> = mutator.enter(|mc| {
        let mut nested = Nested {
            inner: None,
            leaf: Gc::new(mc, drops.token()),
        };
        for _ in 1..1000 {
            let leaf = Gc::new(mc, drops.token());
            nested = Nested {
                inner: Some(Box::new(nested)),
                leaf,
            };
        }
        Root::new(mc, Gc::new(mc, nested))
    });
    assert_eq!(mutator.collect().objects_live, 1001);
    drop(root);
    mutator.collect();
    assert_eq!(drops.count(), 1000);
}

/// A wide object: one slice with a million pointers, and many that point back at it.
#[test]
fn a_wide_object_is_marked() {
    #[derive(Trace)]
    struct Wide<'gc> {
        list: GcCell<Option<Gc<'gc, [Gc<'gc, Wide<'gc>>]>>>,
    }
    for barrier in [Barrier::Insertion, Barrier::Hybrid] {
        let heap = heap(barrier, 2);
        let mut mutator = heap.attach();
        let root: Root<Rootable![Wide<'_>]> = mutator.enter(|mc| {
            let top = Gc::new(
                mc,
                Wide {
                    list: GcCell::new(None),
                },
            );
            let list = Gc::slice_from_fn(mc, MILLION, |_| {
                Gc::new(
                    mc,
                    Wide {
                        list: GcCell::new(None),
                    },
                )
            });
            top.list.set(mc, Some(list));
            for element in list.iter().step_by(1000) {
                element.list.set(mc, Some(list));
            }
            Root::new(mc, top)
        });
        assert_eq!(
            mutator.collect().objects_live,
            MILLION as u64 + 2,
            "{barrier}"
        );
        drop(root);
        assert_eq!(mutator.collect().objects_live, 0, "{barrier}");
    }
}

/// More elements than can be gone through, none of which has a byte.
#[test]
fn an_array_of_nothing_is_marked_at_once() {
    type Nothing<'gc> = [[Gc<'gc, u8>; 0]; usize::MAX];
    for heap in heaps() {
        let mut mutator = heap.attach();
        let root: Root<Rootable!['gc => Nothing<'gc>]> = mutator.enter(|mc| {
            let nothing = [const { [] }; usize::MAX];
            Root::new(mc, Gc::new(mc, nothing))
        });
        mutator.collect();
        assert_eq!(mutator.enter(|mc| root.get(mc).len()), usize::MAX);
    }
}

/// By a type that says it holds pointers, for all the derive knows.
#[derive(Trace, Clone, Copy)]
struct Hole<'gc>(#[trace(recursive)] [Gc<'gc, u8>; 0]);

#[test]
fn holders_of_what_has_no_size_are_marked_at_once() {
    type Holes = Rootable!['gc => ([Hole<'gc>; usize::MAX], Vec<Hole<'gc>>)];
    for heap in heaps() {
        let mut mutator = heap.attach();
        let root: Root<Holes> = mutator.enter(|mc| {
            let array = [Hole([]); usize::MAX];
            let holes = (array, array.to_vec());
            Root::new(mc, Gc::new(mc, holes))
        });
        mutator.collect();
        assert_eq!(mutator.enter(|mc| root.get(mc).1.len()), usize::MAX);
    }
}
