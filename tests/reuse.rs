//! The places of dead objects are used again: a heap whose objects come and go one by one does not grow.

mod common;

use common::{Drops, Random, Token, heaps};
use tricolor_gc::{Gc, GcRefCell, Heap, Mutation, Root, Rootable, Trace};

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
