//! Memory that objects own outside of the heap counts when cycles are due: strings, vectors that grow, and what has nothing.

mod common;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{BARRIERS, heaps, quiet_heap};
use tricolor_gc::{Gc, GcMutex, GcRefCell, Heap, Mutator, Root, Rootable, Trace, Tracer};

const MIB: usize = 1 << 20;

/// Calls `step` so many times, and yields when the collector asks for it; the most that objects were taken to own.
fn repeat(
    heap: &Heap,
    mutator: &mut Mutator,
    times: usize,
    step: impl for<'gc> Fn(&'gc tricolor_gc::Mutation<'gc>),
) -> usize {
    let mut most = 0;
    for _ in 0..times {
        mutator.enter(|mc| step(mc));
        most = most.max(heap.stats().bytes_owned);
    }
    most
}

/// A slot of two granules for each ten kilobytes: without them the heap would have a hundred megabytes and more before its first cycle.
#[test]
fn strings_call_for_cycles() {
    const LENGTH: usize = 10_000;
    for barrier in BARRIERS {
        let heap = Heap::builder().barrier(barrier).build().unwrap();
        let mut mutator = heap.attach();
        let most = repeat(&heap, &mut mutator, 10_000, |mc| {
            Gc::new(mc, "x".repeat(LENGTH));
        });
        let stats = heap.stats();
        assert!(stats.cycles >= 2, "{barrier:?}: {stats}");
        assert!(
            (LENGTH..64 * MIB).contains(&most),
            "{barrier:?}: {most} bytes"
        );
    }
}

/// What lives is counted when it has been swept, and goes with its objects.
#[test]
fn what_lives_owns_what_it_has() {
    const LENGTH: usize = 1 << 16;
    for heap in heaps() {
        let mut mutator = heap.attach();
        let mut roots: Vec<Root<Rootable![String]>> = (0..500)
            .map(|_| mutator.enter(|mc| Root::new(mc, Gc::new(mc, "x".repeat(LENGTH)))))
            .collect();
        mutator.collect();
        let all = heap.stats().bytes_owned;
        assert!((300 * LENGTH..700 * LENGTH).contains(&all), "{all}");
        roots.truncate(100);
        mutator.collect();
        let some = heap.stats().bytes_owned;
        assert!(some * 4 < all, "{some} of {all}");
        drop(roots);
        mutator.collect();
        assert_eq!(heap.stats().bytes_owned, 0);
    }
}

/// Minor cycles do not come to spans that are full of old objects, which own what they have all the same.
#[test]
fn what_old_objects_own_counts_in_minor_cycles() {
    const LENGTH: usize = 300;
    for barrier in BARRIERS {
        let heap = Heap::builder().barrier(barrier).build().unwrap();
        let mut mutator = heap.attach();
        let roots: Vec<Root<Rootable![String]>> = (0..60_000)
            .map(|_| mutator.enter(|mc| Root::new(mc, Gc::new(mc, "x".repeat(LENGTH)))))
            .collect();
        mutator.collect();
        let before = heap.stats();
        let minor = || heap.stats().cycles_minor - before.cycles_minor;
        for _ in 0..2_000_000 {
            mutator.enter(|mc| Gc::new(mc, [0_u64; 32])[0]);
            if minor() == 2 {
                break;
            }
        }
        assert!(minor() >= 2, "{barrier}: {}", heap.stats());
        let owned = heap.stats().bytes_owned;
        let all = roots.len() * LENGTH;
        assert!(
            (all * 9 / 10..all * 2).contains(&owned),
            "{barrier}: {owned}"
        );
    }
}

#[derive(Trace)]
struct Object<'gc> {
    fields: GcRefCell<Vec<Option<Gc<'gc, Object<'gc>>>>>,
}

/// They own nothing when they are made. What they own at the end is seen when they are dropped.
#[test]
fn vectors_that_grow_are_measured_when_they_are_dropped() {
    const FIELDS: usize = 4096;
    for barrier in BARRIERS {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let grow = |mutator: &mut Mutator| {
            mutator.enter(|mc| {
                let fields = GcRefCell::new(Vec::new());
                let object = Gc::new(mc, Object { fields });
                object.fields.borrow_mut(mc).resize(FIELDS, Some(object));
            });
        };
        (0..1000).for_each(|_| grow(&mut mutator));
        mutator.collect();
        assert_eq!(heap.stats().bytes_owned, 0, "nothing lives");
        (0..1000).for_each(|_| grow(&mut mutator));
        let owned = heap.stats().bytes_owned;
        assert!(
            owned > 1000 * FIELDS,
            "{owned} bytes of {}",
            1000 * FIELDS * 8
        );
    }
}

/// Has a destructor, and owns nothing.
#[derive(Trace)]
struct Counted(Arc<AtomicUsize>, u64);

#[test]
fn what_owns_nothing_is_found_to() {
    let count = Arc::new(AtomicUsize::new(0));
    for heap in heaps() {
        let mut mutator = heap.attach();
        for _ in 0..3 {
            for _ in 0..10_000 {
                mutator.enter(|mc| Gc::new(mc, Counted(count.clone(), 0)).1);
            }
            mutator.collect();
        }
        for _ in 0..10_000 {
            mutator.enter(|mc| Gc::new(mc, Counted(count.clone(), 0)).1);
        }
        let owned = heap.stats().bytes_owned;
        assert!(
            owned < 10_000 * 32,
            "{owned} bytes, which were taken for 640,000"
        );
    }
    assert_eq!(Arc::strong_count(&count), 1);
}

/// Has a destructor, and a `trace` by hand, which may do what a dead value is not up to: counts its calls.
struct ByHand(
    Arc<AtomicUsize>,
    #[expect(dead_code, reason = "to be owned")] String,
);

// SAFETY: holds no pointer (T1, T5, T8) and drops a counter and a string (T3, T4, T6).
unsafe impl Trace<'_> for ByHand {
    const NEEDS_TRACE: bool = false;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Trace)]
struct Beside(ByHand, String);

#[derive(Trace)]
struct Within(Vec<(ByHand, Within)>);

#[test]
fn a_trace_written_by_hand_is_not_called_to_measure() {
    let calls = Arc::new(AtomicUsize::new(0));
    for heap in heaps() {
        let mut mutator = heap.attach();
        let by_hand = || ByHand(calls.clone(), "x".repeat(1000));
        for _ in 0..1000 {
            mutator.enter(|mc| {
                Gc::new(mc, by_hand());
                Gc::new(mc, Beside(by_hand(), "x".repeat(1000)));
                Gc::new(mc, Within(vec![]));
                Gc::new(mc, Within(vec![(by_hand(), Within(vec![]))]));
                Gc::new(mc, Ok::<ByHand, String>(by_hand()));
                Gc::new(mc, Err::<String, ByHand>(by_hand()));
                Gc::new(mc, ControlFlow::<String, ByHand>::Continue(by_hand()));
                Gc::new(mc, ControlFlow::<ByHand, String>::Break(by_hand()));
                Gc::new(mc, HashMap::from([(1, by_hand())]));
                Gc::new(mc, BTreeMap::from([(String::new(), by_hand())]));
                Gc::new(mc, VecDeque::from([by_hand()]));
                Gc::new(mc, (String::new(), Some([by_hand()])));
                Gc::new(mc, Box::new(GcRefCell::new(by_hand())));
                Gc::new(mc, GcMutex::new(vec![by_hand()].into_boxed_slice()));
            });
        }
        mutator.collect();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(Arc::strong_count(&calls), 1);
}

#[derive(Trace)]
enum Document {
    Text(String),
    List(Vec<Document>),
}

/// A type that mentions itself is measured with all its parts.
#[test]
fn what_parts_own_counts() {
    const LENGTH: usize = 1000;
    for heap in heaps() {
        let mut mutator = heap.attach();
        let _roots: Vec<Root<Rootable![Document]>> = (0..1000)
            .map(|_| {
                let list = || {
                    Document::List(
                        (0..10)
                            .map(|_| Document::Text("x".repeat(LENGTH)))
                            .collect(),
                    )
                };
                mutator.enter(|mc| Root::new(mc, Gc::new(mc, Document::List(vec![list()]))))
            })
            .collect();
        mutator.collect();
        let owned = heap.stats().bytes_owned / 1000;
        assert!((10 * LENGTH..15 * LENGTH).contains(&owned), "{owned} each");
    }
}

#[derive(Trace)]
struct Link(Option<Box<Link>>);

/// Where a recursion would not come to the end.
#[test]
fn a_long_list_is_not_followed_to_measure_it() {
    let heap = Heap::new();
    let mut mutator = heap.attach();
    mutator.enter(|mc| {
        for _ in 0..3 {
            let list = (0..1_000_000).fold(None, |list, _| Some(Box::new(Link(list))));
            let cell = Gc::new(mc, GcRefCell::new(list));
            // Nor would a destructor.
            let mut list = cell.borrow_mut(mc).take();
            while let Some(mut link) = list {
                list = link.0.take();
            }
        }
    });
}

/// One that owns much says nothing of the others, and what is owned gives other garbage no room without end.
#[test]
fn an_estimate_that_is_far_too_high_has_its_bounds() {
    for barrier in BARRIERS {
        let heap = Heap::builder().barrier(barrier).build().unwrap();
        let mut mutator = heap.attach();
        let mut rows: Vec<Root<Rootable![Vec<u8>]>> = Vec::new();
        rows.push(mutator.enter(|mc| Root::new(mc, Gc::new(mc, vec![0; 64 * MIB]))));
        for _ in 0..20_000 {
            rows.push(mutator.enter(|mc| Root::new(mc, Gc::new(mc, vec![0; 16]))));
        }
        let before = heap.stats().cycles;
        for _ in 0..400_000 {
            mutator.enter(|mc| Gc::new(mc, [0_u64; 32])[0]);
        }
        let cycles = heap.stats().cycles - before;
        assert!(cycles >= 2, "{barrier}: {cycles} cycles for 100 MB");
        let stats = heap.stats();
        assert!(stats.bytes_owned < 256 * MIB, "{barrier}: {stats}");
    }
}

/// An estimate is no reason to refuse memory, nor to collect all the time below a hard limit.
#[test]
fn what_is_owned_counts_for_no_limit() {
    let heap = Heap::builder().max_heap(16 * MIB).build().unwrap();
    let mut mutator = heap.attach();
    let strings: Vec<Root<Rootable![String]>> = (0..1000)
        .map(|_| mutator.enter(|mc| Root::new(mc, Gc::new(mc, "x".repeat(64 << 10)))))
        .collect();
    mutator.collect();
    let before = heap.stats();
    assert!(before.bytes_owned > 32 * MIB, "{before}");
    for _ in 0..10_000 {
        mutator.enter(|mc| Gc::try_new(mc, [0_u64; 8]).map(|_| ()).unwrap());
    }
    let cycles = heap.stats().cycles - before.cycles;
    assert!(cycles < 3, "{cycles} cycles for 640 KB");
    drop(strings);
}
