//! Which old objects a minor cycle looks at again.

use core::cell::Cell;

use super::super::{BATCH, LEAST};
use super::{EARLY, LATE, Node, any_cycle, heap, roomy};
use crate::{
    Barrier, Gc, GcRefCell, GcSlot, Heap, Mutation, Root, Rootable, StepStatus, Trace, Tracer,
};

std::thread_local! {
    /// Calls of `trace` of [`Counted`].
    static TRACED: Cell<u64> = const { Cell::new(0) };
}

/// How many objects `run` traces.
fn traced<R>(run: impl FnOnce() -> R) -> (R, u64) {
    let before = TRACED.get();
    let result = run();
    (result, TRACED.get() - before)
}

/// An object of 512 bytes that counts how often it is traced: eight on a card.
struct Counted<'gc> {
    next: GcSlot<Option<Gc<'gc, u64>>>,
    _rest: [u64; 63],
}

impl<'gc> Counted<'gc> {
    fn new(mc: &Mutation<'gc>) -> Gc<'gc, Self> {
        let next = GcSlot::new(Some(Gc::new(mc, 7)));
        let _rest = [0; 63];
        Gc::new(mc, Counted { next, _rest })
    }

    fn write(&self, mc: &Mutation<'gc>) {
        self.next.set(mc, Some(Gc::new(mc, 8)));
    }
}

// SAFETY: T1, T9: the slot is the only pointer, and in the object. T2, T7: the count is the thread's. T3, T4: no destructor. T5, T6,
// T10: one brand, and no other lifetime. T8: not claimed.
unsafe impl<'gc> Trace<'gc> for Counted<'gc> {
    const CELLS_INLINE: bool = true;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        TRACED.set(TRACED.get() + 1);
        self.next.trace(tracer);
    }
}

const OBJECTS: usize = 1000;

/// So many old objects.
fn old(
    heap: &Heap,
    mutator: &mut crate::Mutator,
) -> Root<Rootable!['gc => [Gc<'gc, Counted<'gc>>]]> {
    let objects =
        mutator.enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, OBJECTS, |_| Counted::new(mc))));
    let (first, all) = traced(|| any_cycle(heap));
    assert!(!first.minor && all == OBJECTS as u64);
    objects
}

#[test]
fn what_has_not_been_written_is_passed_over() {
    // Under Insertion all that may have changed is scanned, see `cycle::minor`.
    for barrier in [Barrier::Deletion, Barrier::Hybrid, Barrier::StopTheWorld] {
        let heap = heap(Heap::builder().barrier(barrier));
        let mut mutator = heap.attach();
        let objects = old(&heap, &mut mutator);
        let (second, none) = traced(|| any_cycle(&heap));
        assert!(second.minor && none == 0, "{barrier}: {none} scanned");
        mutator.enter(|mc| objects.get(mc)[500].write(mc));
        // In the cycle after the write; with its neighbours on the card.
        for expected in [1..=8, 0..=0] {
            let (cycle, some) = traced(|| any_cycle(&heap));
            assert!(cycle.minor && expected.contains(&some), "{barrier}: {some}");
            assert!(mutator.enter(|mc| *objects.get(mc)[500].next.get().unwrap() == 8));
        }
    }
}

/// Then a full cycle costs little more, and frees more.
#[test]
fn cycles_are_full_where_much_is_written() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let objects = old(&heap, &mut mutator);
    for _ in 0..3 {
        mutator.enter(|mc| objects.get(mc).iter().step_by(4).for_each(|o| o.write(mc)));
        // Known when the cycle has ended.
        let _ = any_cycle(&heap);
        assert!(!any_cycle(&heap).minor);
    }
    let _ = (any_cycle(&heap), any_cycle(&heap));
    let (cycle, none) = traced(|| any_cycle(&heap));
    assert!(cycle.minor && none == 0, "no longer");
}

/// The writes may come when the last cycle has said that there are none.
#[test]
fn the_cycle_after_a_burst_of_writes_is_full() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let objects = old(&heap, &mut mutator);
    assert!(any_cycle(&heap).minor);
    mutator.enter(|mc| objects.get(mc).iter().for_each(|o| o.write(mc)));
    assert!(!any_cycle(&heap).minor);
}

/// Budgets hold, and pauses where mutators drive.
#[test]
fn what_is_scanned_again_counts_as_work() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let _large = super::list(&mut mutator, 200_000, None);
    let objects = old(&heap, &mut mutator);
    mutator.enter(|mc| objects.get(mc).iter().for_each(|o| o.next.set(mc, None)));
    let core = heap.core();
    core.request_any_cycle();
    let (mut steps, mut before) = (0, TRACED.get());
    while !matches!(core.step(8 << 10), StepStatus::Completed) {
        let traced = TRACED.get() - before;
        assert!(traced <= BATCH as u64, "{traced} objects at once");
        (steps, before) = (steps + u64::from(traced > 0), TRACED.get());
    }
    assert!(steps >= (OBJECTS / BATCH) as u64, "{steps} steps");
    assert!(heap.last_cycle().unwrap().minor);
}

/// What little may change is written all the time.
#[test]
fn a_few_objects_that_are_always_written_keep_no_cycle_from_being_minor() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let _large = super::list(&mut mutator, 100_000, None);
    let objects = old(&heap, &mut mutator);
    for _ in 0..4 {
        mutator.enter(|mc| objects.get(mc)[..500].iter().for_each(|o| o.write(mc)));
        super::garbage(&mut mutator, 64 << 10);
        assert!(any_cycle(&heap).minor);
    }
}

/// A large slice of cells is scanned in pieces, which are no part of what is found alive.
#[test]
fn what_is_scanned_again_is_not_counted_as_marked() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let cells: Root<Rootable!['gc => [GcSlot<Option<Gc<'gc, u64>>>]]> =
        mutator.enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, 10_000, |_| GcSlot::new(None))));
    let first = any_cycle(&heap);
    for _ in 0..3 {
        mutator.enter(|mc| cells.get(mc)[5000].set(mc, Some(Gc::new(mc, 9))));
        let minor = any_cycle(&heap);
        assert!(minor.minor);
        assert_eq!(minor.bytes_marked, 16, "the new number");
        assert!(minor.heap_live <= first.heap_live + (1 << 10));
        assert_eq!(mutator.enter(|mc| *cells.get(mc)[5000].get().unwrap()), 9);
    }
}

/// Of types with cells in memory that their objects own, all old objects are noted.
#[test]
fn cells_elsewhere_make_cycles_full_if_there_are_many() {
    #[derive(Trace)]
    #[trace(crate = crate)]
    struct Boxed<'gc>(Box<GcSlot<Option<Gc<'gc, u64>>>>);
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let roots: Vec<Root<Rootable![Boxed<'_>]>> = mutator.enter(|mc| {
        let node = |_| Root::new(mc, Gc::new(mc, Boxed(Box::new(GcSlot::new(None)))));
        (0..=LEAST / 16).map(node).collect()
    });
    for _ in 0..3 {
        let cycle = any_cycle(&heap);
        assert!(!cycle.minor);
        assert_eq!(cycle.objects_marked, roots.len() as u64);
    }
    drop(roots);
    assert!(!any_cycle(&heap).minor, "as many are noted");
    assert!(any_cycle(&heap).minor, "they are gone");
}

#[test]
fn a_cell_elsewhere_may_get_a_pointer_to_a_new_object() {
    #[derive(Trace)]
    #[trace(crate = crate)]
    struct Row<'gc>(Vec<GcSlot<Option<Gc<'gc, u64>>>>);
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    let row: Root<Rootable![Row<'_>]> = mutator.enter(|mc| {
        let slots = (0..100).map(|_| GcSlot::new(None)).collect();
        Root::new(mc, Gc::new(mc, Row(slots)))
    });
    let _ = any_cycle(&heap);
    for number in 0..100 {
        mutator.enter(|mc| row.get(mc).0[number].set(mc, Some(Gc::new(mc, number as u64))));
        assert!(any_cycle(&heap).minor);
    }
    mutator.enter(|mc| {
        let row = row.get(mc);
        let numbers = row.0.iter().map(|slot| *slot.get().unwrap());
        assert!(numbers.eq(0..100));
    });
}

/// A guard is a write, whenever that comes, and its leak is no end.
#[test]
fn guards_stamp_when_they_begin() {
    let heap = heap(Heap::builder());
    let mut mutator = heap.attach();
    type Cells<'gc> = [GcRefCell<Option<Gc<'gc, Node<'gc>>>>];
    let cells: Root<Rootable!['gc => Cells<'gc>]> =
        mutator.enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, 10, |_| GcRefCell::new(None))));
    let _ = any_cycle(&heap);
    for (number, leaks) in [(0, false), (1, true), (2, false), (3, true)] {
        mutator.enter(|mc| {
            let cells = cells.get(mc);
            let mut guard = cells[number].borrow_mut(mc);
            *guard = Some(Gc::new(mc, Node(GcSlot::new(None))));
            if leaks {
                core::mem::forget(guard);
            }
        });
        let cycle = any_cycle(&heap);
        assert!(
            cycle.minor && cycle.objects_live == 2 + number as u64,
            "{number}: {cycle}"
        );
    }
}

/// Minor cycles come early; late when what there is has been written, by `write`, and scanned.
fn writing_puts_minor_cycles_off(heap: &Heap, write: impl FnOnce()) {
    // What the table owns counts, now and then.
    let trigger = || heap.stats().trigger - heap.stats().bytes_owned;
    let _ = any_cycle(heap);
    assert!(trigger() < EARLY);
    assert!(any_cycle(heap).minor);
    assert!(trigger() < EARLY, "it has not been written");
    write();
    assert!(any_cycle(heap).minor);
    assert!(trigger() > LATE, "{}", heap.stats());
}

/// A table that is one object is scanned by each minor cycle if it has been written.
#[test]
fn what_noted_objects_own_puts_minor_cycles_off() {
    let heap = roomy();
    let mut mutator = heap.attach();
    let table: Root<Rootable![GcRefCell<Vec<Gc<'_, u64>>>]> = mutator.enter(|mc| {
        let entries = vec![Gc::new(mc, 1); 400_000];
        Root::new(mc, Gc::new(mc, GcRefCell::new(entries)))
    });
    writing_puts_minor_cycles_off(&heap, || {
        mutator.enter(|mc| drop(table.get(mc).borrow_mut(mc)));
    });
}

/// So is a table of numbers, which leads nowhere.
#[test]
fn what_noted_objects_take_to_scan_puts_minor_cycles_off() {
    #[derive(Trace)]
    #[trace(crate = crate)]
    enum Value<'gc> {
        Number(u64),
        #[expect(dead_code, reason = "to be looked for")]
        Object(Gc<'gc, u64>),
    }
    let heap = roomy();
    let mut mutator = heap.attach();
    let table: Root<Rootable![GcRefCell<Vec<Value<'_>>>]> = mutator.enter(|mc| {
        let numbers = (0..2_000_000).map(Value::Number).collect();
        Root::new(mc, Gc::new(mc, GcRefCell::new(numbers)))
    });
    writing_puts_minor_cycles_off(&heap, || {
        mutator.enter(|mc| drop(table.get(mc).borrow_mut(mc)));
    });
}
