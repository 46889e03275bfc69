//! When cycles are asked for, and how mutators are held up.

use std::time::Instant;

use super::{Core, Duration, HELD_AHEAD, OVERSHOOT, PER_LONG_WAIT, PRESSURE, Phase};
use crate::sync::atomic::Ordering;
use crate::{Gc, Heap, Mutation, Mutator};

/// Without marker threads nobody else would: who waits near the hard limit takes the cycle to its end, others a little further.
#[test]
fn who_waits_for_a_cycle_without_markers_drives_it() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let core = heap.core();
    let waits = |turns| core.wait_for_end_of_cycle(Duration::ZERO, turns);
    core.request_cycle();
    assert!(waits(100), "at once");
    assert_eq!(core.status.lock().completed, 1);
    core.request_cycle();
    assert!((0..100).any(|_| waits(1)));
    assert_eq!(core.status.lock().completed, 2);
}

/// A heap must not run away from a cycle that cannot begin, or cannot end, nor from one whose driver waits for a processor.
#[test]
fn mutators_are_slowed_down_in_every_phase() {
    let heap = Heap::builder().marker_threads(1).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let goal = core.goal.load(Ordering::Relaxed) as isize;
    let (past, far) = (goal + 1, 3 * goal);
    // Nobody drives meanwhile.
    let driver = core.driver.lock();
    let phases = [Phase::Idle, Phase::Arming, Phase::Marking];
    for phase in phases
        .into_iter()
        .chain([Phase::Terminating, Phase::Sweeping])
    {
        core.set_phase(phase);
        let slowed = |bytes| {
            core.account(bytes);
            let state = mutator.enter(|mc| {
                core.check_trigger(mc.state());
                mc.state().flags.fetch_and(!PRESSURE, Ordering::Relaxed)
            });
            core.account(-bytes);
            state & PRESSURE != 0
        };
        let slow = [0, past, far].map(slowed);
        assert_eq!(slow, [false, true, true], "{phase:?}");
    }
    core.set_phase(Phase::Idle);
    drop(driver);
}

/// Where it gives way to a driver that waits for a processor, but not at each boundary.
#[test]
fn a_mutator_past_the_goal_gives_way_now_and_then() {
    let heap = Heap::builder().marker_threads(1).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let goal = core.goal.load(Ordering::Relaxed);
    // Nobody drives meanwhile.
    let driver = core.driver.lock();
    let mut gave_way_at = |bytes: usize| {
        core.account(bytes as isize);
        mutator.enter(|mc| core.check_trigger(mc.state()));
        mutator.enter(|mc| mc.state().gave_way_at.get())
    };
    assert_eq!(gave_way_at(goal / 2), 0);
    let first = gave_way_at(goal / 2 + 1);
    assert!(first > goal);
    assert_eq!(gave_way_at(1), first);
    assert!(gave_way_at(goal / 8) > first);
    core.set_phase(Phase::Idle);
    drop(driver);
}

/// How long the mutator waits at its boundary when the heap has grown by `bytes`, in microseconds.
fn waits_at(core: &Core, mutator: &mut Mutator, bytes: usize) -> Option<u64> {
    core.account(bytes as isize);
    let (heap, goal) = (core.heap_now(), core.goal.load(Ordering::Relaxed));
    mutator.enter(|mc| core.hold_up(mc.state(), heap, goal))
}

/// What came late to the cycle is not the fault of what is allocated now: waits are few and short until the heap has grown by a quarter.
#[test]
fn a_mutator_that_came_late_to_the_cycle_is_slowed_down_gently() {
    let heap = Heap::builder().marker_threads(1).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let late = 64 * core.goal.load(Ordering::Relaxed);
    core.account(late as isize);
    // Nobody drives meanwhile.
    let driver = core.driver.lock();
    core.expect_assists(&driver);
    core.set_phase(Phase::Marking);
    let mut waits = |bytes| waits_at(core, &mut mutator, bytes);
    assert_eq!(waits(1), Some(500));
    assert_eq!(waits(late / 5000), Some(100), "there is nothing to mark");
    assert_eq!(waits(late / 5000), Some(500), "a 4096th since");
    assert_eq!(waits(late / 8), Some(500));
    assert_eq!(waits(late / 4), Some(2000), "outrun");
    let before = Instant::now();
    mutator.enter(|mc| core.check_trigger(mc.state()));
    assert!(before.elapsed() >= Duration::from_millis(2), "it does");
    core.set_phase(Phase::Sweeping);
    assert_eq!(waits_at(core, &mut mutator, 1), Some(500));
    core.set_phase(Phase::Idle);
    drop(driver);
}

/// Help in small pieces does not keep a large heap near its goal.
#[test]
fn a_mutator_far_past_the_goal_of_a_large_heap_waits() {
    let builder = Heap::builder().marker_threads(1);
    let heap = builder.min_heap(64 << 20).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let goal = core.goal.load(Ordering::Relaxed);
    core.account(goal as isize);
    // Nobody drives meanwhile.
    let driver = core.driver.lock();
    core.set_phase(Phase::Marking);
    let mut waits = |bytes| waits_at(core, &mut mutator, bytes);
    assert_eq!(waits(OVERSHOOT / 2), Some(100), "there is nothing to mark");
    assert_eq!(waits(OVERSHOOT / 2 + 1), Some(500));
    assert_eq!(waits(PER_LONG_WAIT / 2), Some(100));
    assert_eq!(waits(PER_LONG_WAIT / 2), Some(500));
    core.set_phase(Phase::Idle);
    drop(driver);
}

/// What caches hold ahead of allocation does not make a small heap sparse.
#[test]
fn pages_beyond_the_goal_are_many_or_none() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let core = heap.core();
    let large = |mc: &Mutation<'_>| Gc::slice_from_fn(mc, 1 << 20, |_| 0_u8).len();
    let large = heap.attach().enter(large);
    let pages = core.space.in_use();
    assert!(pages >= large);
    let is_sparse = |goal, last, owned| {
        core.goal.store(goal, Ordering::Relaxed);
        core.pages.store(last, Ordering::Relaxed);
        core.counters.owned.store(owned, Ordering::Relaxed);
        core.is_sparse()
    };
    let goal = pages - HELD_AHEAD;
    assert!(!is_sparse(goal, 0, 0));
    assert!(is_sparse(goal - 1, 0, 0));
    assert!(is_sparse(goal, 0, 1), "with what objects own");
    assert!(!is_sparse(goal - 1, pages, 0), "no more than there were");
}

/// A sweep that begins moves bytes from one counter to the other, in two steps.
#[test]
fn what_has_been_allocated_does_not_go_back() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let c = &heap.core().counters;
    let ever = || heap.stats().bytes_allocated;
    c.allocated.store(100, Ordering::Relaxed);
    assert_eq!(ever(), 100);
    c.allocated.store(0, Ordering::Relaxed);
    assert_eq!(ever(), 100);
    c.allocated_before.store(100, Ordering::Relaxed);
    assert_eq!(ever(), 100);
    c.allocated.store(50, Ordering::Relaxed);
    assert_eq!(ever(), 150);
    c.allocated.store(0, Ordering::Relaxed);
}
