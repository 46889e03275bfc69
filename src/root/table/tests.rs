//! The limit on handles to one root: what a program that forgets its clones in a loop comes to. The counts are set near it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// A table and a slot of it that has `handles` handles.
fn table_with_a_root(handles: u64) -> (RootTable, SlotRef) {
    let table = RootTable::new(1);
    let mut slots = Vec::new();
    table.take_free(&mut slots);
    let slot = slots.pop().unwrap();
    table.give_back(&mut slots);
    slot.fill(16);
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
    const { assert!(MAX_COUNT <= COUNT / 2 && COUNT < LEAVING) };
    let (mut table, slot) = table_with_a_root(MAX_COUNT - 1);
    slot.retain();
    for _ in 0..3 {
        refuses(slot);
        assert_eq!(state(slot), MAX_COUNT);
    }
    // It is a root still, once, and a handle less makes room for one more.
    let mut objects = Vec::new();
    table.scan(|object| objects.push(object));
    assert_eq!(objects, [16]);
    slot.release();
    slot.retain();
    refuses(slot);
    drop_all(slot);
    assert_eq!(state(slot), 0);
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
