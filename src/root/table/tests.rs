//! The limit on handles to one root: what a program that forgets its clones in a loop comes to. The counts are set near it. And the
//! size of the table: dropped slots are found again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::cycle::command::Mode;
use crate::cycle::core::Phase;
use crate::{Barrier, Gc, Heap, Mutator, Root, Rootable};

/// A table and a slot of it that has `handles` handles.
fn table_with_a_root(handles: u64) -> (RootTable, SlotRef) {
    let table = RootTable::new(1);
    let mut slots = Vec::new();
    table.take_free(&mut slots);
    let slot = slots.pop().unwrap();
    table.give_back(&mut slots);
    slot.fill(16, false);
    slot.get().state.store(handles, Ordering::Relaxed);
    (table, slot)
}

fn state(slot: SlotRef) -> u64 {
    slot.get().state.load(Ordering::Relaxed)
}

/// Leaves the only handle, as if the others had been dropped, and drops it.
fn drop_all(slot: SlotRef) {
    let dead = state(slot) & DEAD;
    slot.get().state.store(dead | 1, Ordering::Relaxed);
    slot.release();
}

#[track_caller]
fn refuses(slot: SlotRef) {
    let panic = catch_unwind(AssertUnwindSafe(|| slot.retain())).unwrap_err();
    assert_eq!(
        panic.downcast_ref(),
        Some(&"too many clones of one Root"),
        "the documented panic"
    );
}

#[test]
fn a_handle_beyond_the_limit_is_refused_and_not_counted() {
    const { assert!(MAX_COUNT <= COUNT / 2 && COUNT < TAKEN) };
    let (mut table, slot) = table_with_a_root(MAX_COUNT - 1);
    slot.retain();
    for _ in 0..3 {
        refuses(slot);
        assert_eq!(state(slot), MAX_COUNT);
    }
    // It is a root still, once, and a handle less makes room for one more.
    let mut objects = Vec::new();
    table.look(|object, _| objects.push(object));
    assert_eq!(objects, [16]);
    slot.release();
    slot.retain();
    refuses(slot);
    drop_all(slot);
    assert_eq!(state(slot), FREE);
    table.close();
}

/// Each thread counts before it looks: the count is above the limit for moments, by one for each thread.
#[test]
fn threads_that_race_for_the_last_handle_get_it_once() {
    const THREADS: u64 = 4;
    let (mut table, slot) = table_with_a_root(MAX_COUNT - 1);
    let together = std::sync::Barrier::new(THREADS as usize);
    let retain = || {
        together.wait();
        (0..100)
            .filter(|_| catch_unwind(AssertUnwindSafe(|| slot.retain())).is_ok())
            .count()
    };
    let retained: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(retain)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!((retained, state(slot)), (1, MAX_COUNT));
    drop_all(slot);
    table.close();
}

#[test]
fn the_limit_holds_after_the_end_of_the_heap() {
    let (mut table, slot) = table_with_a_root(MAX_COUNT);
    table.close();
    refuses(slot);
    assert_eq!(state(slot), DEAD | MAX_COUNT);
    // Frees the segment: the last handle to it.
    drop_all(slot);
}

/// A table, a mutator's stock, and roots.
struct Churn {
    table: RootTable,
    stock: Vec<SlotRef>,
    roots: Vec<SlotRef>,
    random: u64,
}

impl Churn {
    /// So many roots, made one after the other.
    fn new(roots: usize) -> Self {
        let mut churn = Churn {
            table: RootTable::new(1),
            stock: Vec::new(),
            roots: Vec::new(),
            random: 1,
        };
        churn.roots = (0..roots).map(|_| churn.make()).collect();
        churn
    }

    fn make(&mut self) -> SlotRef {
        let slot = match self.stock.pop() {
            Some(slot) => slot,
            None => self.table.take_first(&mut self.stock),
        };
        slot.fill(16, false);
        slot
    }

    /// Drops a root that a generator of pseudo-random numbers chooses (xorshift), and makes another.
    fn replace(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let index = self.random as usize % self.roots.len();
        self.roots[index].release();
        self.roots[index] = self.make();
    }

    fn segments(&self) -> usize {
        self.table.with_segments(<[_]>::len)
    }

    /// The table has at most half as many slots again as there are roots, and a few segments.
    #[track_caller]
    fn is_small(&self) {
        let most = self.roots.len() * 3 / 2 / SLOTS + 3;
        let segments = self.segments();
        assert!(segments <= most, "{segments} segments, at most {most}");
        let mut found = 0;
        self.table.look(|_, _| found += 1);
        assert_eq!(found, self.roots.len(), "each slot was taken once");
    }

    fn close(mut self) {
        self.is_small();
        self.roots.iter().for_each(|slot| slot.release());
        self.table.close();
    }
}

#[test]
fn one_root_after_the_other_takes_one_segment() {
    let mut churn = Churn::new(1);
    for _ in 0..10 * SLOTS {
        churn.replace();
    }
    assert_eq!(churn.segments(), 1);
    churn.close();
}

#[test]
fn roots_that_go_beside_a_stretch_of_roots_that_stay_leave_the_table_small() {
    let mut churn = Churn::new(100 * SLOTS);
    for _ in 0..1000 * SLOTS {
        churn.make().release();
    }
    churn.close();
}

#[test]
fn free_slots_that_lie_scattered_are_found() {
    let mut churn = Churn::new(100 * SLOTS);
    for _ in 0..1000 * SLOTS {
        churn.replace();
    }
    churn.close();
}

#[test]
fn a_table_that_was_full_is_used_again() {
    let mut churn = Churn::new(100 * SLOTS);
    let segments = churn.segments();
    churn.roots.drain(..).for_each(SlotRef::release);
    churn.roots = (0..100 * SLOTS).map(|_| churn.make()).collect();
    assert!(churn.segments() <= segments + 1);
    churn.close();
}

/// The table follows the number of roots down, and keeps those that there are.
#[test]
fn a_table_that_was_full_is_small_again_after_a_cycle() {
    let mut churn = Churn::new(200 * SLOTS);
    for kept in [50, 2, 0] {
        let stride = churn.roots.len().checked_div(kept).unwrap_or(usize::MAX);
        let mut number = 0;
        churn.roots.retain(|slot| {
            number += 1;
            let stays = number % stride == 0;
            if !stays {
                slot.release();
            }
            stays
        });
        assert_eq!(churn.roots.len(), kept);
        churn.table.arm();
        churn.table.disarm();
        let segments = churn.segments();
        assert!(
            segments <= 2 * kept + 17,
            "{segments} segments, {kept} roots"
        );
        assert_eq!(roots(&churn.table).len(), kept);
    }
    churn.roots = (0..100 * SLOTS).map(|_| churn.make()).collect();
    churn.close();
}

/// A hint for the idle heap: garbage that the cycle has not seen.
#[test]
fn that_roots_were_dropped_is_known_although_their_segments_are_gone() {
    let mut churn = Churn::new(100 * SLOTS);
    churn.table.arm();
    assert!(!churn.table.dropped_since_cycle());
    churn.roots.drain(..).for_each(SlotRef::release);
    churn.table.disarm();
    assert!(churn.segments() < 20);
    let table = &churn.table;
    let hint = |segment: &Segment| segment.head.dropped.store(false, Ordering::Relaxed);
    table.each(hint);
    assert!(table.dropped_since_cycle());
    table.arm();
    assert!(!table.dropped_since_cycle());
    churn.table.close();
}

fn roots(table: &RootTable) -> Vec<usize> {
    let mut found = Vec::new();
    table.look(|object, _| found.push(object));
    found
}

/// Whether the segment was there when the table was armed, or has been made since.
#[test]
fn a_root_dropped_while_armed_stays_one_until_the_sweep() {
    for made_before in [true, false] {
        let mut table = RootTable::new(1);
        let mut stock = Vec::new();
        if made_before {
            table.take_free(&mut stock);
        }
        table.arm();
        assert!(!table.dropped_since_cycle());
        if !made_before {
            table.take_free(&mut stock);
        }
        let (a, b) = (stock.pop().unwrap(), stock.pop().unwrap());
        a.fill(1000, false);
        b.fill(1001, false);
        b.retain();
        a.release();
        b.release();
        let mut found = roots(&table);
        found.sort_unstable();
        assert_eq!(found, [1000, 1001], "made before: {made_before}");
        assert!(table.dropped_since_cycle());
        table.disarm();
        assert_eq!(roots(&table), [1001]);
        assert!(table.dropped_since_cycle(), "the next cycle may find more");
        table.arm();
        assert!(!table.dropped_since_cycle(), "it is on its way");
        table.disarm();
        b.release();
        assert_eq!(roots(&table), [], "at once, now");
        let mut again = Vec::new();
        table.take_free(&mut again);
        assert!(again.contains(&a) && again.contains(&b));
        table.give_back(&mut again);
        table.give_back(&mut stock);
        table.close();
    }
}

/// Made while its maker's barrier is on, until the next cycle.
#[test]
fn a_root_that_was_shaded_in_this_cycle_is_none_once_it_is_dropped() {
    let mut table = RootTable::new(1);
    let mut stock = Vec::new();
    table.take_free(&mut stock);
    let (a, b, c) = (
        stock.pop().unwrap(),
        stock.pop().unwrap(),
        stock.pop().unwrap(),
    );
    table.arm();
    a.fill(1000, true);
    b.fill(1001, true);
    c.fill(1002, true);
    c.retain();
    a.release();
    c.release();
    c.release();
    assert_eq!(roots(&table), [1001]);
    assert_eq!((state(a), state(c)), (FREE, FREE));
    table.disarm();
    table.arm();
    b.release();
    assert_eq!(roots(&table), [1001], "the next cycle has not shaded it");
    table.disarm();
    table.give_back(&mut stock);
    table.close();
}

/// Those dropped in an earlier cycle that has not been disarmed.
#[test]
fn arming_releases_the_roots_dropped_before() {
    let mut table = RootTable::new(1);
    let mut stock = Vec::new();
    table.take_free(&mut stock);
    let slot = stock.pop().unwrap();
    slot.fill(1000, false);
    table.arm();
    slot.release();
    table.arm();
    assert_eq!(roots(&table), []);
    table.give_back(&mut stock);
    table.close();
}

/// The end of a cycle says that drops release at once again.
#[test]
fn roots_that_come_and_go_after_a_cycle_take_one_segment() {
    use Barrier::{Deletion, Hybrid, Insertion, StopTheWorld};
    for barrier in [Insertion, Deletion, Hybrid, StopTheWorld] {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.build().unwrap();
        let mut mutator = heap.attach();
        mutator.collect();
        churn(&mut mutator);
        few_segments(&heap);
    }
}

/// Makes and drops roots, one at a time.
fn churn(mutator: &mut Mutator) {
    mutator.enter(|mc| {
        for number in 0..10 * SLOTS as u64 {
            let _: Root<Rootable![u64]> = Root::new(mc, Gc::new(mc, number));
        }
    });
}

/// Else the object of one made just before is on somebody's stack only once it is dropped.
#[test]
fn a_root_counts_as_shaded_only_if_a_barrier_was_on() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let mut mutator = heap.attach();
    let made = |mutator: &mut Mutator| {
        mutator.enter(|mc| Root::<Rootable![[u64; 2]]>::new(mc, Gc::new(mc, [0; 2])))
    };
    let early = made(&mut mutator);
    assert_eq!(state(early.slot), NEW | 1);
    heap.core().request_cycle();
    mutator.step(1);
    let late = made(&mut mutator);
    assert_ne!(heap.core().phase(), Phase::Idle);
    assert_eq!(state(late.slot), SHADED | NEW | 1);
    mutator.collect();
    assert_eq!(state(late.slot), 1);
}

#[track_caller]
fn few_segments(heap: &Heap) {
    let segments = heap.core().roots.with_segments(<[_]>::len);
    assert!(segments <= 3, "{segments} segments for one root at a time");
}

#[test]
fn roots_that_come_and_go_while_a_cycle_marks_take_one_segment() {
    for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.build().unwrap();
        let mut mutator = heap.attach();
        let _many: Root<Rootable![Box<[Gc<'_, [u64; 4]>]>]> = mutator.enter(|mc| {
            let many = (0..10_000).map(|_| Gc::new(mc, [0; 4]));
            Root::new(mc, Gc::new(mc, many.collect()))
        });
        heap.core().request_cycle();
        let mut phases = Vec::new();
        while phases.last() != Some(&Phase::Idle) {
            mutator.step(1000);
            phases.push(heap.core().phase());
            churn(&mut mutator);
        }
        assert!(phases.contains(&Phase::Marking), "{phases:?}");
        few_segments(&heap);
    }
}

/// By a thread that stays inside.
#[test]
fn roots_that_come_and_go_while_a_cycle_cannot_begin_take_one_segment() {
    for barrier in [Barrier::Insertion, Barrier::Hybrid] {
        let heap = Heap::builder().barrier(barrier).build().unwrap();
        let mut straggler = heap.attach();
        straggler.enter(|_| {
            std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    let mut mutator = heap.attach();
                    heap.core().request_cycle();
                    // The table is armed a moment before.
                    while heap.core().command().mode == Mode::Off {
                        std::thread::yield_now();
                    }
                    (0..100).for_each(|_| churn(&mut mutator));
                    assert_eq!(heap.core().phase(), Phase::Arming);
                });
                other.join().unwrap();
            });
        });
        few_segments(&heap);
    }
}

#[test]
fn a_mutator_that_detaches_gives_its_slots_back() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    for _ in 0..200 {
        heap.attach().enter(|mc| {
            let _: Root<Rootable![u64]> = Root::new(mc, Gc::new(mc, 1));
        });
    }
    let segments = heap.core().roots.with_segments(<[_]>::len);
    assert!(segments <= 2, "{segments} segments for one root at a time");
}
