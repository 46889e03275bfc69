//! The end of a cycle: Insertion's final stop, weak references, barriers off, sweep, and the figures.
//!
//! **Abandoned cycles.** Where a `trace` panics or, under Insertion, a guard leaks, something may be lost to the markers. Who finds that
//! says so (`Core::abandon_cycle`) before it retires as a marker, or answers as a mutator: so before the driver can take marking to be over.
//! Marking is given up, no weak reference is cleared, the sweep frees nothing, and the next cycle is full. What is said when marking is over
//! has lost nothing, for all was marked.

use std::time::Instant;

use super::command::{Colour, Mode};
use super::core::{Core, Phase};
use super::driver::{Advance, Driver, Stage};
use super::marking::Marking;
use super::mutator::MutatorState;
use super::pacer::{Work, below_limit};
use crate::mark::tracer::Meet;
use crate::report;
use crate::sweep::{TimeLimit, Which};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::sync::twin::{self, Twin};
use crate::user_code::UserCodeScope;

/// Final stops that may find work left before one of them marks to the end.
const STOP_ATTEMPTS: u32 = 3;
/// Bytes that a final stop marks before it gives up and lets the mutators go on.
const STOP_BUDGET: u64 = 32 << 10;

impl Core {
    /// Work has turned up in a round that was to end the marking.
    pub(super) fn round_failed(&self, d: &mut Driver) {
        d.failed_rounds += 1;
        self.weak.rounds.failed(self.config.marker_threads);
    }

    /// Insertion, everybody is held: looks whether the marking is complete.
    pub(super) fn final_stop(
        &self,
        d: &mut Driver,
        held: Vec<Arc<MutatorState>>,
        since: Instant,
        attempt: u32,
    ) -> Advance {
        for state in &held {
            // Before marking is called over: what a leaked guard has not shaded would be lost.
            if !twin::is(Twin::LeakSeenLate) {
                self.note_leaked_guards(state);
            }
            if !twin::is(Twin::FinalStopNoFlush) {
                state.flush(self);
            }
        }
        self.mark_in_stop(attempt);
        // Objects set aside count: a cell that is busy here was left so by a leaked guard, or by a marker still at work.
        let done = self.worklist.is_done() || twin::is(Twin::SetAsideIgnored);
        let over = done && self.worklist.close_if(|dry| dry.is_some());
        let command = if over {
            let weak = self.weak.lock();
            self.marking_over(d);
            drop(weak);
            self.publish(d, self.plan.mode, Colour::Black, true)
        } else {
            d.failed_stops += 1;
            d.stage = Stage::Mark;
            self.publish(d, self.plan.mode, self.plan.colour, true)
        };
        held.iter()
            .for_each(|state| state.adopt(self, command, true));
        self.release(d, &held, since);
        Advance::Progress
    }

    /// Marks what was stored since the last round, which is little as a rule, up to a bound on the pause; the last attempt marks
    /// to the end.
    fn mark_in_stop(&self, attempt: u32) {
        let mut left = if attempt < STOP_ATTEMPTS {
            STOP_BUDGET
        } else {
            u64::MAX
        };
        loop {
            let mut marker = None;
            while left > 0 && !self.abandon.load(Ordering::Relaxed) {
                let (outcome, done) = self.mark_counted(&mut marker, left);
                left = left.saturating_sub(done.work);
                if outcome != Marking::Progress {
                    break;
                }
            }
            if let Some(marker) = marker {
                self.retire_marker(marker);
            }
            // A busy cell may be a marker's, which the stop does not hold: taken from it, the cell would be called scanned, and written,
            // while that marker reads. Nobody becomes active meanwhile: the list is empty, and only we could push.
            if self.worklist.dry().is_none() && !twin::is(Twin::ForceBesideMarker) {
                return;
            }
            if !self.retry_deferred(Meet::Force) {
                return;
            }
        }
    }

    /// StopTheWorld, everybody is held: marks the heap and clears weak references.
    pub(super) fn mark_stopped(
        &self,
        d: &mut Driver,
        held: &[Arc<MutatorState>],
        since: Instant,
    ) -> Advance {
        d.cycle.arming = d.lap();
        for state in held {
            state.flush(self);
        }
        self.push_all_roots(d);
        self.worklist.open();
        while self.scan_noted(d) {}
        let mut marker = None;
        let wanted = || !self.abandon.load(Ordering::Relaxed);
        while wanted() && matches!(self.mark_some(&mut marker, u64::MAX), Marking::Progress) {}
        if let Some(marker) = marker {
            self.retire_marker(marker);
        }
        let closed = self.worklist.close_if(|dry| dry.is_some()) || self.worklist.give_up();
        debug_assert!(closed, "nobody else marks in this stop");
        self.marking_over(d);
        self.roots.disarm();
        if !self.abandoned.load(Ordering::Relaxed) {
            d.cycle.weak_cleared = self.weak.clear(self.found_in_cycle(), d.cycle.minor);
        }
        self.verify();
        let command = self.publish(d, Mode::Off, Colour::White, false);
        held.iter()
            .for_each(|state| state.adopt(self, command, true));
        self.release(d, held, since);
        self.barriers_off(d)
    }

    pub(super) fn clear_stage(&self, d: &mut Driver) -> Advance {
        // Marking is over: whoever holds the object of a dropped root holds a marked one.
        self.roots.disarm();
        if !self.abandoned.load(Ordering::Relaxed) || twin::is(Twin::ClearedWhenAbandoned) {
            d.cycle.weak_cleared = self.weak.clear(self.found_in_cycle(), d.cycle.minor);
        }
        if cfg!(feature = "verify") {
            d.stage = Stage::VerifyStop;
            self.ask_stop(d);
            return Advance::Progress;
        }
        d.stage = Stage::Off {
            seq: self.ask(d, Mode::Off, Colour::White, false),
        };
        Advance::Progress
    }

    /// Everybody is held: compares. Not counted as a stop: it is the verifier's, not the cycle's.
    pub(super) fn verify_stopped(&self, d: &mut Driver, held: &[Arc<MutatorState>]) -> Advance {
        self.verify();
        d.stage = Stage::Off {
            seq: self.ask(d, Mode::Off, Colour::White, false),
        };
        held.iter().for_each(|state| state.gate.release());
        self.wake_stopped();
        Advance::Progress
    }

    /// Every barrier is off (I6): mark bytes may be consumed.
    pub(super) fn barriers_off(&self, d: &mut Driver) -> Advance {
        self.worklist.clear();
        d.cycle.terminating = d.lap();
        let c = &self.counters;
        let marked = c.bytes_marked.load(Ordering::Relaxed) as usize;
        let before = c.live.load(Ordering::Relaxed) + c.allocated.load(Ordering::Relaxed);
        let live = if self.abandon.load(Ordering::Relaxed) {
            before
        } else {
            d.generation.old + marked + d.cycle.bytes_allocated
        };
        c.live.store(live, Ordering::Relaxed);
        d.owned_estimated = self.owned_survives(live, before);
        let early = twin::is(Twin::SweepingTooEarly);
        if early {
            self.set_phase(Phase::Sweeping);
        }
        self.young_survived(d, marked);
        let trigger = self.sweep_until(d.room);
        d.deferral
            .begin(d.cycle.cycle, trigger, self.allocated_ever());
        self.start_sweep(d.epoch, d.number(), d.cycle.minor);
        if !early {
            self.set_phase(Phase::Sweeping);
        }
        d.stage = Stage::Sweep;
        Advance::Progress
    }

    pub(super) fn sweep_stage(&self, d: &mut Driver, budget: u64) -> Advance {
        d.work += budget;
        let budget = usize::try_from(budget).unwrap_or(usize::MAX);
        let leaves = self.leaves_destructors(d);
        self.leaves_drops.store(leaves, Ordering::Relaxed);
        let more = if leaves {
            self.sweep_which(budget, Which::Cheap, &mut TimeLimit::none())
        } else {
            self.sweep_some(budget)
        };
        if more {
            return Advance::Progress;
        }
        // Acquire: pairs with the Release of the last sweeper.
        if self.counters.swept.pending.load(Ordering::Acquire) != 0 {
            return Advance::Waiting;
        }
        self.finish(d);
        Advance::Progress
    }

    /// Whether mutators run destructors that are dear for the time being: unless somebody waits for the cycle, or memory is short.
    fn leaves_destructors(&self, d: &mut Driver) -> bool {
        self.has_background()
            && self.full.load(Ordering::Relaxed) < d.cycle.cycle
            && !self.is_half_full()
            && d.deferral.goes_on(self.heap_now(), self.allocated_ever())
    }

    /// What lives is known: when the next cycle begins.
    fn plan_next(&self, d: &mut Driver) {
        let c = &self.counters;
        let live = c.swept.bytes_live.load(Ordering::Relaxed);
        c.live.store(live, Ordering::Relaxed);
        let owned = c.swept.owned.load(Ordering::Relaxed);
        self.owned_is_counted(d.owned_estimated, owned);
        let external = self.external();
        let own = live.saturating_add(external);
        // More than that has no part in the room that the heap gets: an estimate may be far too high.
        let counted = owned.min(self.most_owned(own));
        let rest = owned - counted;
        let outside = external.saturating_add(owned);
        d.cycle.heap_live = live.saturating_add(outside);
        let outside_before = external.saturating_add(d.owned_before);
        let work = Work {
            start: d.cycle.heap_start.saturating_sub(outside_before),
            allocated: d.cycle.bytes_allocated,
            grown: d.cycle.heap_end.saturating_sub(d.cycle.heap_start),
            marked: d.cycle.bytes_marked,
            assisted: d.cycle.bytes_assisted,
        };
        let seen = external.saturating_add(counted);
        let plan = if d.cycle.minor {
            let goal = d.generation.goal.saturating_sub(rest);
            d.pacer.minor_cycle_ended(work, live, seen, goal)
        } else {
            d.pacer.cycle_ended(work, live, seen)
        };
        let goal = plan.goal.saturating_add(rest);
        self.generation_ended(d, goal);
        self.goal.store(goal, Ordering::Relaxed);
        let trigger = self.early_trigger(d, plan.trigger.saturating_add(rest));
        // What is owned counts for no hard limit.
        let max = self.config.max_heap;
        let limited = below_limit(trigger.saturating_sub(owned), own, max);
        let trigger = limited.saturating_add(owned);
        self.trigger.store(trigger, Ordering::Relaxed);
        d.room = trigger.saturating_sub(d.cycle.heap_live);
        self.sparse
            .store(plan.sparse.saturating_add(rest), Ordering::Relaxed);
        self.pages.store(self.space.in_use(), Ordering::Relaxed);
    }

    /// The last span is swept.
    fn finish(&self, d: &mut Driver) {
        d.cycle.sweeping = d.lap();
        let c = &self.counters;
        let cycle = &mut d.cycle;
        cycle.objects_marked = c.objects_marked.load(Ordering::Relaxed);
        cycle.bytes_marked = c.bytes_marked.load(Ordering::Relaxed);
        cycle.bytes_assisted = c.bytes_assisted.load(Ordering::Relaxed);
        cycle.objects_live = c.swept.objects_live.load(Ordering::Relaxed);
        cycle.objects_freed = c.swept.objects_freed.load(Ordering::Relaxed);
        cycle.bytes_freed = c.swept.bytes_freed.load(Ordering::Relaxed);
        cycle.abandoned = self.abandon.load(Ordering::Relaxed);
        let shaded = c.shaded.load(Ordering::Relaxed);
        cycle.objects_shaded = shaded - d.shaded_before;
        self.plan_next(d);
        d.stage = Stage::Idle;
        self.set_phase(Phase::Idle);
        if self.config.trace {
            report::line(format_args!("{}", d.cycle));
        }
        let mut status = self.status.lock();
        status.completed = d.cycle.cycle;
        status.totals.add(&d.cycle);
        status.last = d.cycle.clone();
        if !d.cycle.minor {
            status.last_full = d.cycle.clone();
        }
        let panics = core::mem::take(&mut status.other_panics);
        drop(status);
        self.changed.notify_all();
        let _scope = UserCodeScope::new(self.id);
        drop(panics);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::mark::aside::SetAside;
    use crate::{Barrier, Gc, GcRefCell, GcSlot, GcWeak, Heap, Root, Rootable, Trace, Tracer};

    #[derive(Trace)]
    #[trace(crate = crate)]
    struct Link<'gc>(Option<Gc<'gc, Self>>);

    /// A mutator that stores more new objects than a stop would mark leaves work to every round and to every stop. The rounds are given
    /// up in the end, and then the stops that find work.
    #[test]
    fn a_busy_mutator_keeps_no_cycle_from_its_end() {
        const LINKS: u64 = STOP_BUDGET / 8;
        let heap = Heap::builder().barrier(Barrier::Insertion);
        let heap = heap.marker_threads(0).build().unwrap();
        let (core, mut mutator) = (heap.core(), heap.attach());
        let root: Root<Rootable!['gc => GcSlot<Option<Gc<'gc, Link<'gc>>>>]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcSlot::new(None))));
        let _ = core.request_new_cycle();
        let mut driver = core.driver.lock();
        let (mut marker, mut stores) = (None, 0);
        while core.phase() != Phase::Terminating {
            if matches!(driver.stage, Stage::Mark) {
                mutator.enter(|mc| {
                    let list = (0..LINKS).fold(None, |next, _| Some(Gc::new(mc, Link(next))));
                    root.get(mc).set(mc, list);
                });
                stores += 1;
                assert!(stores < 100, "{}", driver.cycle);
            }
            let _ = core.advance(&mut driver, &mut marker, 1 << 20);
        }
        assert_eq!(driver.cycle.stops, STOP_ATTEMPTS + 1);
        drop(driver);
        let _ = heap.collect();
    }

    /// Says when it is traced, and has the first to do so wait.
    struct Slow {
        began: Sender<()>,
        go_on: Arc<Mutex<Option<Receiver<()>>>>,
    }

    // SAFETY: T1, T10: no pointers. T2: what changes is behind a lock. T3, T6: no `Drop`, no lifetimes. T4: all fields are `Send`. T5: untied.
    // T7: `trace` drops the end of a channel only. T8, T9: not claimed.
    unsafe impl Trace<'_> for Slow {
        const DROP_IS_SEND: bool = true;
        const UNTIED: bool = true;

        fn trace(&self, _: &mut Tracer<'_>) {
            self.began.send(()).unwrap();
            let first = self.go_on.lock().unwrap().take();
            if let Some(go_on) = first {
                go_on.recv().unwrap();
            }
        }
    }

    /// Two markers that meet at an object both trace it, and the second sets it aside for the cell that the first has claimed; the other
    /// part of a slice may be at another marker. The stop holds mutators only.
    #[test]
    fn the_final_stop_takes_no_cell_from_a_marker() {
        let heap = Heap::builder().barrier(Barrier::Insertion);
        let heap = heap.marker_threads(0).build().unwrap();
        let (core, mut mutator) = (heap.core(), heap.attach());
        let (began, traced) = channel();
        let (let_go, go_on) = channel();
        let go_on = Arc::new(Mutex::new(Some(go_on)));
        let _ = core.request_new_cycle();
        let mut driver = core.driver.lock();
        while !matches!(driver.stage, Stage::Mark) {
            let _ = core.advance(&mut driver, &mut None, 1 << 20);
        }
        let object = mutator.enter(|mc| {
            let cell = Gc::new(mc, GcRefCell::new(Slow { began, go_on }));
            Gc::address(cell)
        });
        core.worklist.push(&mut vec![object]);
        std::thread::scope(|scope| {
            let marker = scope.spawn(|| {
                let mut marker = None;
                while core.mark_some(&mut marker, 1 << 20) == Marking::Progress {}
            });
            traced.recv().unwrap();
            core.worklist.defer(&mut SetAside {
                objects: vec![object],
                rests: vec![],
            });
            let since = Instant::now();
            let _ = core.when_stopped(&mut driver, |core, d, held| {
                core.final_stop(d, held, since, 0)
            });
            let again = traced.try_recv().is_ok();
            let_go.send(()).unwrap();
            marker.join().unwrap();
            assert!(!again, "the cell is another marker's");
        });
        drop(driver);
        let _ = heap.collect();
        assert!(traced.try_recv().is_err(), "the cell has been scanned");
    }

    /// While it sweeps, a cycle's heap is as large as what the cycle has found, not the one before it.
    #[test]
    fn what_is_being_swept_is_not_alive_and_the_rest_is() {
        const OBJECTS: usize = 10_000;
        let heap = Heap::builder().marker_threads(0).minor_cycles(false);
        let heap = heap.build().unwrap();
        let (core, mut mutator) = (heap.core(), heap.attach());
        let list = mutator.enter(|mc| {
            let list = (0..OBJECTS).fold(None, |next, _| Some(Gc::new(mc, Link(next))));
            let list: Root<Rootable![Link<'_>]> = Root::new(mc, list.expect("many"));
            list
        });
        let swept = || {
            let _ = core.request_new_cycle();
            let mut driver = core.driver.lock();
            while core.phase() != Phase::Sweeping {
                let _ = core.advance(&mut driver, &mut None, 1 << 20);
            }
            heap.stats().bytes_live
        };
        let kept = swept();
        assert!(kept >= 16 * OBJECTS, "{kept}");
        let _ = heap.collect();
        drop(list);
        assert_eq!(swept(), 0);
        let _ = heap.collect();
    }

    /// See `weak::rounds`.
    #[test]
    fn rounds_that_fail_for_upgrades_again_and_again_make_these_wait() {
        type Table<'gc> = GcRefCell<Vec<GcWeak<'gc, Gc<'gc, u64>>>>;
        let heap = Heap::builder().marker_threads(1).build().unwrap();
        let (core, mut mutator) = (heap.core(), heap.attach());
        let table: Root<Rootable![Table<'_>]> = mutator.enter(|mc| {
            let weak = |number| Gc::downgrade(Gc::new(mc, Gc::new(mc, number)), mc);
            let table = GcRefCell::new((0..100).map(weak).collect());
            Root::new(mc, Gc::new(mc, table))
        });
        // First, or the background thread may have driven the whole cycle by then.
        let (mut driver, mut marker) = (core.driver.lock(), None);
        core.request_cycle();
        let mut upgraded = 0;
        while !core.weak.rounds.is_braking() {
            let _ = core.advance(&mut driver, &mut marker, 1 << 20);
            assert!(!matches!(driver.stage, Stage::Idle), "no round has failed");
            if matches!(driver.stage, Stage::Round { .. }) {
                mutator.enter(|mc| assert!(table.get(mc).borrow()[upgraded].upgrade(mc).is_some()));
                upgraded += 1;
            }
        }
        assert!(marker.is_none(), "or the cycle would not end");
        drop(driver);
        assert!(upgraded > 1, "once is nothing");
        let _ = mutator.collect();
        assert!(!core.weak.rounds.is_braking());
    }

    /// Mutators run dear destructors while they allocate, unless somebody waits for the cycle, or memory is short.
    #[test]
    fn destructors_are_left_to_mutators_if_nobody_waits() {
        const MAX: usize = 64 << 20;
        let heap = Heap::builder().max_heap(MAX).build().unwrap();
        let core = heap.core();
        // No background thread does anything meanwhile.
        let mut driver = core.driver.lock();
        let mut leaves = || {
            driver.cycle.cycle = 5;
            driver.deferral.begin(5, usize::MAX, 0);
            core.leaves_destructors(&mut driver)
        };
        assert!(leaves());
        core.full.store(5, Ordering::Relaxed);
        assert!(!leaves(), "a full cycle was asked for");
        core.full.store(4, Ordering::Relaxed);
        assert!(leaves());
        core.account(MAX as isize / 2 + 1);
        assert!(!leaves(), "half of what there may be is in use");
        core.account(-(MAX as isize / 2 + 1));
        driver.cycle.cycle = 0;
        drop(driver);
        let stepped = Heap::builder().marker_threads(0).build().unwrap();
        let core = stepped.core();
        let mut driver = core.driver.lock();
        driver.cycle.cycle = 5;
        driver.deferral.begin(5, usize::MAX, 0);
        assert!(!core.leaves_destructors(&mut driver), "nobody else sweeps");
    }
}
