//! The places of dead objects are used again: a heap whose objects come and go one by one does not grow.

mod common;

use common::{Drops, Link, Random, Token, begin_cycle, finish_cycle, heaps, long_list, quiet_heap};
use tricolor_gc::{
    Barrier, Gc, GcCell, GcRefCell, Heap, Mutation, Root, Rootable, StepStatus, Trace,
};

/// Neither scanned nor dropped, scanned, and dropped: each is swept in a way of its own.
#[derive(Trace, Clone, Copy)]
enum Any<'gc> {
    Plain(Gc<'gc, [u64; 4]>),
    Scanned(Gc<'gc, [Option<Gc<'gc, u8>>; 7]>),
    Dropped(Gc<'gc, (Token, [u64; 9])>),
    Bytes(Gc<'gc, [u8]>),
    Pointers(Gc<'gc, [Option<Gc<'gc, u8>>]>),
}

type Table = Root<Rootable!['gc => GcRefCell<Vec<Any<'gc>>>]>;

fn any<'gc>(mc: &Mutation<'gc>, number: usize, drops: &Drops) -> Any<'gc> {
    match number % 5 {
        0 => Any::Plain(Gc::new(mc, [number as u64; 4])),
        1 => Any::Scanned(Gc::new(mc, [None; 7])),
        2 => Any::Dropped(Gc::new(mc, (drops.token(), [number as u64; 9]))),
        3 => Any::Bytes(Gc::copy_from_slice(mc, &[number as u8; 150])),
        _ => Any::Pointers(Gc::slice_from_fn(mc, 20, |_| None)),
    }
}

const OBJECTS: usize = 20_000;

/// Replaces a part of the objects, of each kind as many as there were.
fn replace(heap: &Heap, table: &Table, random: &mut Random, drops: &Drops) {
    heap.attach().enter(|mc| {
        let table = table.get(mc);
        let mut table = table.borrow_mut(mc);
        for number in 0..OBJECTS {
            if random.next().is_multiple_of(2) {
                table[number] = any(mc, number, drops);
            }
        }
    });
}

#[test]
fn the_places_of_dead_objects_among_live_ones_are_used_again() {
    for heap in heaps() {
        let (drops, mut random) = (Drops::new(), Random::new(7));
        let table: Table = heap.attach().enter(|mc| {
            let all = (0..OBJECTS).map(|number| any(mc, number, &drops)).collect();
            Root::new(mc, Gc::new(mc, GcRefCell::new(all)))
        });
        heap.collect();
        let live = heap.stats().bytes_live;
        for round in 0..10 {
            replace(&heap, &table, &mut random, &drops);
            heap.collect();
            let in_use = heap.stats().bytes_in_use;
            assert_eq!(heap.stats().bytes_live, live, "{}", heap.barrier());
            assert!(
                in_use < 2 * live,
                "{}: {in_use} bytes for {live} in round {round}",
                heap.barrier()
            );
        }
    }
}

/// Strings that all grow leave the pages of shorter ones half empty, and no longer one fits there. Cycles that come early for it keep the
/// heap within what it was to grow by.
#[test]
fn pages_that_are_left_half_empty_are_few() {
    const STRINGS: usize = 200_000;
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (mut mutator, mut random) = (heap.attach(), Random::new(7));
    let table: Root<Rootable!['gc => [GcCell<Gc<'gc, str>>]]> = mutator.enter(|mc| {
        let empty = |_| GcCell::new(Gc::new_str(mc, ""));
        Root::new(mc, Gc::slice_from_fn(mc, STRINGS, empty))
    });
    let (mut pages, mut live) = (0, 0);
    for _ in 0..3_000 {
        mutator.enter(|mc| {
            let table = table.get(mc);
            for _ in 0..500 {
                let cell = &table[random.below(STRINGS)];
                let longer = format!("{}12345678", &*cell.get());
                cell.set(mc, Gc::new_str(mc, &longer));
            }
        });
        let stats = heap.stats();
        pages = pages.max(stats.bytes_in_use);
        live = live.max(heap.last_cycle().map_or(0, |cycle| cycle.heap_live));
    }
    assert!(pages < 2 * live + (12 << 20), "{pages} bytes for {live}");
}

/// Nor do such pages call for cycles where they are used again: a heap whose objects keep their size takes no more of them.
#[test]
fn pages_that_are_half_empty_and_used_again_call_for_no_cycles() {
    type Node = [u64; 8];
    const NODES: usize = (16 << 20) / size_of::<Node>();
    let cycles = |kept: usize| {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let mut mutator = heap.attach();
        let _kept: Vec<Root<Rootable![Node]>> = mutator.enter(|mc| {
            let all = (0..NODES).map(|number| (number, Gc::new(mc, Node::default())));
            let kept = all.filter(|(number, _)| number.is_multiple_of(NODES / kept));
            kept.map(|(_, node)| Root::new(mc, node)).collect()
        });
        heap.collect();
        let before = heap.stats().cycles;
        for _ in 0..2_000 {
            mutator.enter(|mc| {
                for _ in 0..1000 {
                    Gc::new(mc, Node::default());
                }
            });
        }
        heap.stats().cycles - before
    };
    let (together, scattered) = (cycles(1), cycles(1024));
    assert!(
        scattered <= 2 * together,
        "{scattered} cycles, {together} otherwise"
    );
}

/// Objects of less than 16 bytes share blocks, which die with all that is in them.
#[test]
fn a_tiny_object_is_not_put_beside_one_that_has_died() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        mutator.enter(|mc| *Gc::new(mc, 1_u8));
        mutator.collect();
        mutator.enter(|mc| {
            let tiny = Gc::new(mc, 7_u8);
            (0..OBJECTS).for_each(|_| assert_eq!(*Gc::new(mc, [u64::MAX; 2]), [u64::MAX; 2]));
            assert_eq!(*tiny, 7, "{}: its block was used again", heap.barrier());
        });
    }
}

/// The block of before is white, and an object that is born black is not scanned for what it holds.
#[test]
fn a_tiny_object_made_while_marking_is_not_put_beside_one_of_before() {
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let _list: Root<Rootable![Link<'_, u8>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, 0)));
        mutator.collect();
        mutator.enter(|mc| {
            Gc::new(mc, 1_u8);
            // Asks for a cycle.
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        assert_eq!(mutator.step(1), StepStatus::InProgress);
        let holder: Root<Rootable![Option<Gc<'_, u8>>]> = mutator.enter(|mc| {
            let tiny = Gc::new(mc, 7);
            Root::new(mc, Gc::new(mc, Some(tiny)))
        });
        finish_cycle(&mut mutator);
        mutator.enter(|mc| {
            (0..OBJECTS).for_each(|_| assert_eq!(*Gc::new(mc, [u64::MAX; 2]), [u64::MAX; 2]));
            let tiny = holder.get(mc).expect("it holds one");
            assert_eq!(*tiny, 7, "{barrier}: its block was used again");
        });
    }
}

/// Between objects that live: in the places of dead ones, one run of them after the other.
#[test]
fn what_is_made_in_holes_while_marking_lives_through_the_cycle() {
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        type Tokens = Rootable!['gc => Vec<Gc<'gc, Token>>];
        let kept: (Root<Tokens>, Root<Rootable![Link<'_, u8>]>) = mutator.enter(|mc| {
            let every_other = |number: usize| {
                let token = Gc::new(mc, drops.token());
                number.is_multiple_of(2).then_some(token)
            };
            let tokens: Vec<_> = (0..1000).filter_map(every_other).collect();
            let list = long_list(mc, 0);
            (Root::new(mc, Gc::new(mc, tokens)), Root::new(mc, list))
        });
        begin_cycle(&mut mutator);
        assert_eq!(drops.count(), 500);
        let new: Root<Tokens> = mutator.enter(|mc| {
            let tokens = (0..500).map(|_| Gc::new(mc, drops.token())).collect();
            Root::new(mc, Gc::new(mc, tokens))
        });
        finish_cycle(&mut mutator);
        assert_eq!(drops.count(), 500, "{barrier}");
        drop((kept, new));
        mutator.collect();
        assert_eq!(drops.count(), 1500, "{barrier}");
    }
}

/// Full ones are met in the search for a free slot. They go where the next cycle finds them.
#[test]
fn spans_that_are_swept_for_an_allocation_are_swept_again() {
    const SPAN: usize = 1024;
    let heap = quiet_heap(Barrier::Hybrid);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let kept: Root<Rootable!['gc => [Gc<'gc, Token>]]> = mutator.enter(|mc| {
        let token = |_| Gc::new(mc, drops.token());
        Root::new(mc, Gc::slice_from_fn(mc, 200 * SPAN, token))
    });
    begin_cycle(&mut mutator);
    let mut made = 200 * SPAN;
    while heap.stats().cycles < 2 {
        let _ = mutator.step(1);
        mutator.enter(|mc| {
            for _ in 0..SPAN {
                Gc::new(mc, drops.token());
            }
        });
        made += SPAN;
    }
    drop(kept);
    mutator.collect();
    assert_eq!(drops.count(), made);
}
