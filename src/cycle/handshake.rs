//! Handshakes and stops: how the driver asks mutators, and how it knows that they have answered.

use std::time::Instant;

use super::command::{Colour, Command, Mode};
use super::core::{Core, Phase};
use super::driver::{Advance, Driver, Stage};
use super::mutator::MutatorState;
use super::plan::Arming;
use crate::sync::atomic::Ordering;
use crate::sync::twin::{self, Twin};
use crate::sync::{Arc, Backoff};

/// How often a mutator at its boundary tries to ask the next thing while another thread drives: some microseconds.
const TRIES: u32 = if cfg!(tricolor_loom) { 1 } else { 12 };

impl Core {
    /// Publishes the state that all mutators are to be in.
    pub(super) fn publish(
        &self,
        d: &mut Driver,
        mode: Mode,
        colour: Colour,
        boundary: bool,
    ) -> Command {
        d.asked = Instant::now();
        let command = Command {
            seq: 0,
            mode,
            colour,
            epoch: d.epoch,
            cycle: d.number(),
            boundary,
            stop: false,
        };
        self.registry.publish(command)
    }

    /// Publishes and counts a handshake; its number.
    pub(super) fn ask(&self, d: &mut Driver, mode: Mode, colour: Colour, boundary: bool) -> u32 {
        d.cycle.handshakes += 1;
        self.publish(d, mode, colour, boundary).seq
    }

    /// Asks all mutators to be outside at once.
    pub(super) fn ask_stop(&self, d: &mut Driver) {
        d.asked = Instant::now();
        self.registry.publish(Command {
            boundary: true,
            stop: true,
            ..self.command()
        });
    }

    /// Goes on with `next` when every mutator has adopted command `seq`, adopting it for those who are outside.
    pub(super) fn when_answered(
        &self,
        d: &mut Driver,
        seq: u32,
        next: fn(&Self, &mut Driver) -> Advance,
    ) -> Advance {
        let early = twin::is(Twin::SweepBeforeOff) && matches!(d.stage, Stage::Off { .. });
        if !self.all_answered(seq) && !early {
            return Advance::Waiting;
        }
        d.handshake_answered();
        next(self, d)
    }

    /// Whether every mutator has adopted command `seq`, which is adopted for those that are outside; the others are asked.
    pub(crate) fn all_answered(&self, seq: u32) -> bool {
        if twin::is(Twin::NobodyIsAsked) {
            return true;
        }
        // Acquire: pairs with the Release in `adopt`.
        let has_answered = |state: &MutatorState| state.acked.load(Ordering::Acquire) == seq;
        let command = self.command();
        let mut all = true;
        self.registry.all(|state| {
            if !has_answered(state) && !self.adopt_for(state, command) {
                self.ask_thread(state);
                all = false;
            }
            true
        });
        // Read anew: a thread that was inside may have attached another mutator, which is as far as the one it was inside of, before it
        // came out and that one was answered for.
        all && (twin::is(Twin::AnswersReadOnce) || self.registry.all(has_answered))
    }

    /// Adopts the command for a mutator that is outside; `false` if it is not. A boundary is one of the thread: where a thread has
    /// several mutators, all of them are held before one turns. One that is attached after the look is as far as the thread was, and
    /// answers for itself, see `all_answered`.
    fn adopt_for(&self, state: &MutatorState, command: Command) -> bool {
        let alone = !state.has_mates() || twin::is(Twin::MateTurnsAlone);
        if alone || !command.boundary {
            let held = state.gate.hold();
            if held {
                let early = twin::is(Twin::LetsGoFirst);
                if early {
                    state.gate.release();
                }
                state.adopt(self, command, true);
                if !early {
                    state.gate.release();
                }
            }
            return held;
        }
        let mut mates = self.registry.snapshot();
        mates.retain(|mate| mate.thread == state.thread);
        let held = mates.iter().take_while(|mate| mate.gate.hold()).count();
        let all = held == mates.len();
        for mate in &mates[..held] {
            if all && mate.acked.load(Ordering::Relaxed) != command.seq {
                mate.adopt(self, command, true);
            }
            mate.gate.release();
        }
        all
    }

    /// Asks the thread of a mutator that keeps the collector waiting: all its mutators that are inside, since the one that the thread looks
    /// at is the innermost, which may have answered for itself.
    fn ask_thread(&self, waited_for: &MutatorState) {
        if twin::is(Twin::YieldNotAsked) {
            return;
        }
        if !waited_for.has_mates() {
            return Self::ask_to_yield(waited_for);
        }
        self.registry.all(|state| {
            if state.thread == waited_for.thread && state.gate.is_inside() {
                Self::ask_to_yield(state);
            }
            true
        });
    }

    /// A mutator has just answered at its boundary. If it was the last, the driver may ask the next thing at once, and the
    /// mutator can answer that too before it goes on: Hybrid's second handshake, and the end of early allocation. So a lone
    /// mutator is never Grey and never allocates early. Whether there is a new command.
    pub(crate) fn answer_next(&self) -> bool {
        let seq = self.command_seq();
        let asks = self.plan.arming == Arming::TwoHandshakes;
        let turns = if asks { TRIES } else { 0 };
        let mut backoff = Backoff::default();
        for turn in 1..=turns {
            if let Some(mut driver) = self.driver.try_lock() {
                if matches!(driver.stage, Stage::Arm { .. } | Stage::ArmBlack { .. }) {
                    let _ = self.advance(&mut driver, &mut None, 0);
                }
                break;
            }
            // Somebody drives, who was woken when this mutator left: while the cycle arms, for a moment, and he may have looked before it answered.
            let over = self.command_seq() != seq || self.phase() != Phase::Arming;
            if over || turn == turns {
                break;
            }
            backoff.wait();
        }
        self.command_seq() != seq
    }

    /// Goes on with `next` when all mutators are held at once.
    pub(super) fn when_stopped(
        &self,
        d: &mut Driver,
        next: impl FnOnce(&Self, &mut Driver, Vec<Arc<MutatorState>>) -> Advance,
    ) -> Advance {
        let all = self.registry.snapshot();
        for (index, state) in all.iter().enumerate() {
            if !state.gate.hold() {
                if twin::is(Twin::StopTakesSome) {
                    continue;
                }
                all[..index].iter().for_each(|held| held.gate.release());
                let inside = all[index..].iter().filter(|state| state.gate.is_inside());
                inside.for_each(|state| Self::ask_to_yield(state));
                return Advance::Waiting;
            }
        }
        // Whoever was inside may have attached others since the snapshot, which were let in there, and have come out.
        if !self.registry.has_no_others(&all) && !twin::is(Twin::StopReadsListOnce) {
            all.iter().for_each(|held| held.gate.release());
            return Advance::Waiting;
        }
        // Now nobody is inside: a mutator that attaches has an empty stack and the stop's command, and waits before it enters.
        next(self, d, all)
    }

    /// Ends a stop: the command in force no longer asks for one.
    pub(super) fn release(&self, d: &mut Driver, held: &[Arc<MutatorState>], since: Instant) {
        held.iter().for_each(|state| state.gate.release());
        d.stop_ended(since);
        self.wake_stopped();
    }

    pub(super) fn wake_stopped(&self) {
        // Under the lock, so that a mutator that has just found the stop in force waits before this is signalled.
        drop(self.status.lock());
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use crate::cycle::command::Colour;
    use crate::cycle::core::{Core, Phase};
    use crate::cycle::driver::Stage;
    use crate::cycle::mutator::{MutatorState, YIELD};
    use crate::sync::Arc;
    use crate::sync::atomic::Ordering;
    use crate::{Barrier, Gc, GcRefCell, Heap, Root, Rootable};

    /// Confined cells go from one mutator of a thread to another: none is Black while another's stack is old.
    #[test]
    fn no_mutator_turns_while_another_of_its_thread_is_inside() {
        for barrier in [Barrier::Insertion, Barrier::Hybrid] {
            let heap = Heap::builder().barrier(barrier).marker_threads(0);
            let heap = heap.build().unwrap();
            let core = heap.core();
            let _before = heap.attach();
            let mut busy = heap.attach();
            let _after = heap.attach();
            let drive = || {
                let _ = core.request_new_cycle();
                core.step(1 << 20)
            };
            busy.enter(|_| {
                let _ = std::thread::scope(|scope| scope.spawn(drive).join().unwrap());
                let seq = core.command_seq();
                let waits = core
                    .registry
                    .all(|state| state.acked.load(Ordering::Relaxed) != seq);
                assert!(waits, "{barrier}: one has answered");
            });
            let _ = heap.collect();
        }
    }

    /// Nobody has called for a background thread, as if all were busy with other heaps.
    #[test]
    fn a_mutator_that_waits_for_a_stop_drives_where_nobody_does() {
        let heap = Heap::builder().barrier(Barrier::Deletion).marker_threads(1);
        let heap = heap.build().unwrap();
        let core = heap.core();
        core.wanted.store(1, Ordering::Relaxed);
        let _ = core.advance(&mut core.driver.lock(), &mut None, 1);
        let stop = core.command();
        assert!(stop.stop);
        heap.attach().enter(|_| ());
        assert_ne!(core.command_seq(), stop.seq);
        assert_eq!(heap.collect().stops, 1);
    }

    /// One that has another, or none yet, hides what the markers then miss.
    #[test]
    fn markers_start_when_every_mutator_has_the_barrier() {
        for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
            let heap = Heap::builder().barrier(barrier).marker_threads(0);
            let heap = heap.build().unwrap();
            let (core, _mutators) = (heap.core(), [heap.attach(), heap.attach()]);
            let _ = core.request_new_cycle();
            let mut driver = core.driver.lock();
            while core.phase() != Phase::Marking {
                let _ = core.advance(&mut driver, &mut None, 1);
            }
            core.registry.all(|state| {
                assert_eq!(state.mode.get(), core.plan.mode, "{barrier}");
                true
            });
            drop(driver);
            let _ = heap.collect();
        }
    }

    /// A mutator that is attached during the final stop is not held by it. Entered inside one that was, it must not make white
    /// objects when marking is over.
    #[test]
    fn what_is_attached_during_a_stop_is_as_far_as_its_thread() {
        let heap = Heap::builder()
            .barrier(Barrier::Insertion)
            .marker_threads(0);
        let heap = heap.build().unwrap();
        let (core, mut held) = (heap.core(), heap.attach());
        let _ = core.request_new_cycle();
        let mut driver = core.driver.lock();
        while !matches!(driver.stage, Stage::FinalStop { .. }) {
            let _ = core.advance(&mut driver, &mut None, 1 << 20);
        }
        let (mut late, since) = (None, std::time::Instant::now());
        let _ = core.when_stopped(&mut driver, |core, d, held| {
            late = Some(heap.attach());
            core.final_stop(d, held, since, 0)
        });
        drop(driver);
        held.enter(|_| {
            late.unwrap().enter(|mc| {
                assert_eq!(mc.state().command.get().colour, Colour::Black);
            });
        });
        let _ = heap.collect();
    }

    /// After a leaked guard Hybrid takes another scan id and arms again by a stop. Until then all mutators go on with the old one:
    /// what is claimed under the new one is not scanned any more.
    #[test]
    fn what_is_attached_before_a_second_arming_has_the_scan_id_of_its_thread() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        heap.attach().enter(|mc| {
            heap.core().next_scan_id();
            let id = mc.state().tracer().scan_id;
            heap.attach()
                .enter(|inner| assert_eq!(inner.state().tracer().scan_id, id));
        });
    }

    /// Who is attached before that stop is asked for would claim for the second arming.
    #[test]
    fn a_second_arming_has_its_scan_id_when_its_stop_has_been_asked_for() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let core = heap.core();
        let _ = core.request_new_cycle();
        let step = || core.advance(&mut core.driver.lock(), &mut None, 0);
        while !matches!(core.driver.lock().stage, Stage::ArmBlack { .. }) {
            let _ = step();
        }
        core.window.arm_again();
        let before = core.scan_id();
        std::thread::scope(|scope| {
            core.registry.attach(|command| {
                // What attaches keeps commands from being published.
                scope.spawn(step);
                std::thread::sleep(std::time::Duration::from_millis(50));
                assert_eq!(core.scan_id(), before);
                Arc::new(MutatorState::new(core, command, 0))
            });
        });
        assert!(core.command().stop);
        assert_ne!(core.scan_id(), before);
    }

    /// The mutator by which a thread is inside innermost may have answered at a poll; the thread looks at no other.
    #[test]
    fn a_thread_is_asked_where_it_looks() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let (mut outer, mut inner) = (heap.attach(), heap.attach());
        let core = heap.core();
        outer.enter(|_| {
            inner.enter(|mc| {
                let mut driver = core.driver.lock();
                let command = core.command();
                let seq = core.ask(&mut driver, command.mode, command.colour, false);
                assert!(!core.all_answered(seq));
                mc.state().poll();
                assert_eq!(mc.state().flags.load(Ordering::Relaxed) & YIELD, 0);
                assert!(!core.all_answered(seq), "the outer one has not answered");
                assert!(mc.should_yield());
            });
        });
    }

    /// Takes the cycle on until its stage is one that `is_there`.
    fn drive_to(core: &Core, is_there: fn(&Stage) -> bool) {
        while !is_there(&core.driver.lock().stage) {
            let _ = core.advance(&mut core.driver.lock(), &mut None, 1 << 20);
        }
    }

    /// It has written to a cell that was marked with all the rest, before its cycle's barrier went off or after that: at a poll, so that it is
    /// counted still when the next cycle arms.
    #[test]
    fn a_guard_leaked_after_the_final_stop_abandons_no_cycle() {
        type Cells<'gc> = GcRefCell<Vec<Gc<'gc, u64>>>;
        for polls in [false, true] {
            let heap = Heap::builder().barrier(Barrier::Insertion);
            let heap = heap.marker_threads(0).build().unwrap();
            let (core, mut mutator) = (heap.core(), heap.attach());
            let root: Root<Rootable![Cells<'_>]> =
                mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcRefCell::new(Vec::new()))));
            let _ = core.request_new_cycle();
            drive_to(core, |stage| matches!(stage, Stage::FinalStop { .. }));
            drive_to(core, |stage| matches!(stage, Stage::Clear));
            mutator.enter(|mc| {
                let cell = root.get(mc);
                let mut guard = cell.borrow_mut(mc);
                guard.push(Gc::new(mc, 1));
                core::mem::forget(guard);
                assert_eq!(mc.state().open_guards.get(), 1, "the cell is scanned");
                if polls {
                    drive_to(core, |stage| matches!(stage, Stage::Off { .. }));
                    mc.state().poll();
                    assert!(!mc.state().barrier_on());
                }
                let _garbage = Gc::new(mc, [0_u64; 4]);
            });
            drive_to(core, |stage| matches!(stage, Stage::Idle));
            let abandoned = || heap.stats().cycles_abandoned;
            assert_eq!(abandoned(), 0);
            assert_eq!(mutator.collect().objects_freed, 1, "polls: {polls}");
            assert_eq!(abandoned(), 0);
        }
    }

    /// It was leaked in a cycle that was abandoned before all were black: the next one loses nothing by it.
    #[test]
    fn a_guard_leaked_in_an_abandoned_cycle_stops_nobody() {
        let heap = Heap::builder().barrier(Barrier::Hybrid).marker_threads(0);
        let heap = heap.build().unwrap();
        heap.core().window.arm_again();
        assert_eq!(heap.attach().collect().stops, 0);
    }
}
