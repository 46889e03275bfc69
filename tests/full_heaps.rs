//! Heaps with a hard limit: garbage must not fill them, and what they refuse is dropped.

mod common;

use common::{BARRIERS, Drops, full_heap, panic_message};
use tricolor_gc::{Barrier, Gc, GcCell, GcRefCell, Root, Rootable, Trace};

const MIB: usize = 1 << 20;

#[derive(Trace)]
struct Node<'gc> {
    _next: Option<Gc<'gc, Node<'gc>>>,
    _data: [u64; 6],
}

#[test]
fn garbage_never_fills_a_heap_with_a_limit() {
    for barrier in BARRIERS {
        for markers in [0, 1, 2] {
            let heap = full_heap(barrier, markers, 8 * MIB);
            let mut mutator = heap.attach();
            let root: Root<Rootable![GcCell<Option<Gc<'_, Node<'_>>>>]> =
                mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcCell::new(None))));
            // Sixteen times the limit, in portions of a sixteenth.
            for _ in 0..256 {
                mutator.enter(|mc| {
                    let top = root.get(mc);
                    top.set(mc, None);
                    for _ in 0..MIB / 2 / 64 {
                        let next = top.get();
                        top.set(
                            mc,
                            Some(Gc::new(
                                mc,
                                Node {
                                    _next: next,
                                    _data: [0; 6],
                                },
                            )),
                        );
                    }
                });
            }
            let stats = heap.stats();
            assert!(
                stats.bytes_in_use <= 8 * MIB && stats.cycles > 5,
                "{barrier}: {stats:?}"
            );
        }
    }
}

/// One object at a time and none kept: whatever its size, the cycle comes before the limit does.
#[test]
fn garbage_of_any_size_never_fills_a_heap_with_a_limit() {
    for (max, size) in [
        (600_000, 30_000),
        (2 * MIB, 700_000),
        (4 * MIB, 1_400_000),
        (MIB, 1000),
    ] {
        let heap = full_heap(Barrier::Hybrid, 0, max);
        let mut mutator = heap.attach();
        for _ in 0..100 {
            mutator.enter(|mc| {
                let made = Gc::try_slice_from_fn(mc, size, |_| 0u8);
                assert!(made.is_ok(), "{size} of {max}: {}", made.unwrap_err());
            });
        }
    }
}

/// A request that is far larger than what has been asked for before: no trigger has seen it come, and what it needs is garbage.
#[test]
fn what_is_refused_makes_room_for_the_next_attempt() {
    for barrier in BARRIERS {
        for markers in [0, 1] {
            let heap = full_heap(barrier, markers, 8 * MIB);
            let mut mutator = heap.attach();
            mutator.enter(|mc| {
                (0..30).for_each(|_| _ = Gc::slice_from_fn(mc, 100_000, |_| 0_u8));
            });
            let mut attempt =
                || mutator.enter(|mc| Gc::try_slice_from_fn(mc, 6 * MIB, |_| 0_u8).is_ok());
            let mut attempts = (0..10_000).map(|_| attempt());
            assert_eq!(attempts.next(), Some(false), "{barrier}, {markers}");
            assert!(attempts.any(|made| made), "{barrier}, {markers}");
        }
    }
}

/// What one mutator has at hand is not so much that another finds the heap full.
#[test]
fn a_mutator_that_allocates_leaves_half_used_spans_to_others() {
    type Big = [u64; 3500];
    let heap = full_heap(Barrier::Hybrid, 0, 910_000);
    let (mut mutator, mut other) = (heap.attach(), heap.attach());
    let (mut kept, mut made) = (Vec::<Root<Rootable![Big]>>::new(), 0);
    mutator.enter(|mc| {
        while let Ok(object) = Gc::try_new(mc, [1; 3500]) {
            // Every span has a free slot.
            if made % 4 == 0 {
                kept.push(Root::new(mc, object));
            }
            made += 1;
        }
    });
    assert!(made > 20);
    mutator.collect();
    mutator.collect();
    for _ in 0..10 {
        other.enter(|mc| assert!(Gc::try_new(mc, [2u64; 3500]).is_ok()));
    }
    mutator.enter(|mc| assert!(Gc::try_new(mc, [3u64; 3500]).is_ok()));
}

/// However large it is: small values go to the slow path in registers.
#[test]
fn a_value_that_a_panic_refuses_is_dropped_once() {
    fn fill<const PADDING: usize>() {
        let heap = full_heap(Barrier::Hybrid, 0, 65_536);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let made = mutator.enter(|mc| {
            let list = Gc::new(mc, GcRefCell::new(Vec::new()));
            let new = || {
                let token = Gc::new(mc, (drops.token(), [7_u64; PADDING]));
                list.borrow_mut(mc).push(token);
            };
            let full = panic_message(|| (0..20_000).for_each(|_| new()));
            assert!(full.contains("heap"), "{full}");
            assert_eq!(drops.count(), 1);
            assert!(list.borrow().iter().all(|token| token.1 == [7; PADDING]));
            list.borrow().len()
        });
        assert!(made > 0);
        mutator.collect();
        assert_eq!(drops.count(), made + 1);
    }
    fill::<0>();
    fill::<2>();
    fill::<8>();
}
