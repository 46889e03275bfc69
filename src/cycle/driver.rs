//! The driver: one match over the stages of a cycle, each advanced without blocking, so that any thread can drive: a
//! background thread, `Mutator::step`, or `collect`.
//!
//! # The cycle
//!
//! | stage | Hybrid | Deletion | Insertion | StopTheWorld |
//! |---|---|---|---|---|
//! | arm | two handshakes | a stop | a handshake | – |
//! | mark | concurrent | concurrent | concurrent | in a stop |
//! | end | rounds of flushing | rounds of flushing | rounds, then a stop | – |
//! | clear weak references | concurrent | concurrent | concurrent | in the stop |
//! | barrier off | handshake | handshake | handshake | – |
//! | sweep | concurrent | concurrent | concurrent | concurrent |
//!
//! A *handshake* publishes a command and waits until every mutator has adopted it; a mutator that is outside is held for a
//! moment and has it adopted for it. Mutators do not wait for each other. A *stop* holds all mutators at once; it gathers by
//! holding all who are outside and letting go again if one is inside, while those who want to enter wait.
//!
//! # Why no object is lost
//!
//! *Insertion.* Markers start when every mutator has the barrier on and all guards taken without it are gone. From then on
//! every pointer stored into the heap or a root is shaded, so a black object never points to a white one (strong
//! invariant). Only stacks may hold white pointers that nothing else protects; the final stop has no stacks, and if it
//! finds the worklist and all buffers empty, all that is reachable is marked.
//!
//! A guard of a scanned cell shades what was written through it when it ends; if it leaks it cannot, which the count of
//! open guards shows at the boundary, and the cycle is abandoned: it frees nothing.
//!
//! *Deletion.* The stop makes a snapshot: every stack is empty, all barriers go on at once. What was reachable then is
//! marked: a pointer of the snapshot that is overwritten is shaded (in a slot, by the first who overwrites it, see `cell::slot`;
//! a cell is traced as a whole before its first write), a root that is dropped stays. New objects are black.
//!
//! *Hybrid.* T1: every mutator has its barrier on (Grey). T2: every mutator has since passed a boundary (Black). Markers
//! start at T2; nothing with pointers is marked before it. A new object that has been stored is found from the heap of T2; one that has not may be on a
//! stack then, if its mutator is Black, and so is *early* (`barrier::window`, 4); what a Grey mutator makes is white. A Black mutator's stack was filled after T1,
//! from the heap, from roots, or by weak upgrades, which shade; whatever else it holds was reachable at some time after T1 and every
//! deletion after T1 is shaded, so it is in the heap or shaded. A Grey mutator's stack may hold more: pointers deleted before T1 by a mutator that
//! had no barrier yet. It has passed a boundary before T2, so markers find what it stores, but for one place: a shared cell that another
//! mutator, Black already, has claimed, counts as scanned, and in it there may be slots and other cells. So a Grey mutator shades what it stores into cells,
//! and into slots when one has been claimed (but for what `barrier::window` says), and it sets no claim: a cell that it marked scanned could still be
//! written unseen.
//! From T2 on the Deletion argument holds with "reachable at T2 or shaded" for the snapshot. A guard taken while Grey, of a cell that needs it,
//! shades its contents when it ends; if it leaks it cannot, which the count of open guards shows at the boundary, and the cycle arms again
//! by a stop, with a new scan id so that claims set meanwhile mean nothing; what is early is white then. What was shaded stays in the worklist, for roots.
//!
//! *StopTheWorld.* In the stop no stack holds a pointer and nobody writes: what the roots reach is marked.
//!
//! *A minor cycle* begins with the marks of the one before; see `minor` for why nothing is lost by that.
//!
//! *Termination.* See `worklist`. Under Deletion and Hybrid, weak upgrades can bring back unmarked objects while marking; the
//! step to Terminating is taken under the weak list's lock with the worklist still dry, and an upgrade of an unmarked
//! object takes the same lock (see `weak`).

use std::time::{Duration, Instant};

use super::command::{Colour, Command, Mode, number_of};
use super::core::{Core, Phase};
use super::marking::Marking;
use super::minor::Generation;
use super::pacer::Pacer;
use super::plan::{Arming, Plan};
use crate::config::Config;
use crate::heap::span::{Epoch, early_of, fresh_of, next_epoch};
use crate::mark::marker::Marker;
use crate::mark::tracer::Meet;
use crate::stats::CycleStats;
use crate::sweep::Deferral;
use crate::sync::atomic::Ordering;
use crate::sync::twin::{self, Twin};

/// Insertion: rounds that may find work before the final stop is asked for all the same.
const ROUNDS: u32 = 3;

/// Where the cycle is, and what the driver waits for there.
pub(super) enum Stage {
    Idle,
    /// Hybrid, Insertion: the barrier goes on at each mutator's boundary.
    Arm {
        seq: u32,
    },
    /// Hybrid: each mutator's stack is emptied once more, after T1.
    ArmBlack {
        seq: u32,
    },
    /// Deletion, or Hybrid when it arms again: the barrier goes on in a stop.
    ArmStop {
        since: Instant,
    },
    /// Markers are at work.
    Mark,
    /// The worklist is dry: mutators hand over their buffers.
    Round {
        seq: u32,
        pushes: u64,
    },
    /// Insertion: all outside, to see that it stays dry.
    FinalStop {
        since: Instant,
        attempt: u32,
    },
    /// StopTheWorld: all outside, to mark.
    MarkStop {
        since: Instant,
    },
    /// Weak references to unmarked objects are cleared.
    Clear,
    /// With the verifier: all outside, to compare.
    VerifyStop,
    /// The barrier goes off.
    Off {
        seq: u32,
    },
    Sweep,
}

/// What [`Core::advance`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Advance {
    /// A step; there is more to do.
    Progress,
    /// Mutators have not answered yet, or other markers are at work.
    Waiting,
    /// No cycle is in progress and none is wanted.
    Idle,
}

/// The driver's own state, under its lock.
pub(crate) struct Driver {
    pub(super) stage: Stage,
    pub(crate) pacer: Pacer,
    /// Bytes marked or swept by `advance`, for those who work on a budget.
    pub(crate) work: u64,
    /// The cycle in progress.
    pub(super) cycle: CycleStats,
    /// Its epoch.
    pub(super) epoch: Epoch,
    /// When the stage's phase began.
    phase_began: Instant,
    /// When the last command was published.
    pub(super) asked: Instant,
    /// Pointers shaded by all mutators when the cycle began.
    pub(super) shaded_before: u64,
    /// Bytes allocated since the last sweep when the cycle began.
    pub(super) allocated_before: usize,
    /// What objects were taken to own then.
    pub(super) owned_before: usize,
    /// What the heap might grow by since the last cycle ended, before this one was due.
    pub(super) room: usize,
    /// What they were taken to own when marking had ended.
    pub(super) owned_estimated: usize,
    /// The first segment of the root table that this cycle has not scanned.
    pub(super) roots_unseen: Option<usize>,
    pub(super) failed_stops: u32,
    pub(super) failed_rounds: u32,
    pub(super) generation: Generation,
    /// Who runs destructors.
    pub(super) deferral: Deferral,
    /// The objects set aside have been looked at again since the worklist last went dry.
    retried: bool,
}

impl Driver {
    pub(crate) fn new(config: &Config) -> Self {
        let limit = config.memory_limit.min(config.max_heap / 4 * 3);
        Driver {
            stage: Stage::Idle,
            pacer: Pacer::new(config.growth_percent, limit, config.min_heap),
            work: 0,
            cycle: CycleStats::default(),
            epoch: Command::FIRST.epoch,
            phase_began: Instant::now(),
            asked: Instant::now(),
            shaded_before: 0,
            allocated_before: 0,
            owned_before: 0,
            owned_estimated: 0,
            room: 0,
            roots_unseen: None,
            failed_stops: 0,
            failed_rounds: 0,
            generation: Generation::default(),
            deferral: Deferral::new(),
            retried: false,
        }
    }

    /// The cycle's number as commands have it.
    pub(super) fn number(&self) -> u8 {
        number_of(self.cycle.cycle)
    }

    /// Takes the time since the last call, for the phase that ends now.
    pub(super) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now - self.phase_began;
        self.phase_began = now;
        lap
    }

    pub(super) fn handshake_answered(&mut self) {
        self.cycle.longest_handshake = self.cycle.longest_handshake.max(self.asked.elapsed());
    }

    pub(super) fn stop_ended(&mut self, since: Instant) {
        let length = since.elapsed();
        self.cycle.stops += 1;
        self.cycle.stopped += length;
        self.cycle.longest_stop = self.cycle.longest_stop.max(length);
    }
}

impl Core {
    /// Takes the cycle one step further. `marker` does the marking of this thread, at most `budget` bytes at a time.
    /// The one long match of the crate: one arm per stage.
    pub(crate) fn advance(
        &self,
        d: &mut Driver,
        marker: &mut Option<Marker>,
        budget: u64,
    ) -> Advance {
        match d.stage {
            Stage::Idle if !self.is_cycle_wanted() => Advance::Idle,
            Stage::Idle => self.begin(d),
            Stage::Arm { seq } => self.when_answered(d, seq, Self::armed),
            Stage::ArmBlack { seq } => self.when_answered(d, seq, Self::armed_black),
            Stage::ArmStop { since } => self.when_stopped(d, |core, d, held| {
                let command = core.publish(d, core.plan.mode, core.plan.colour, false);
                held.iter()
                    .for_each(|state| state.adopt(core, command, true));
                core.release(d, &held, since);
                core.start_marking(d)
            }),
            Stage::Mark => self.mark_stage(d, marker, budget),
            Stage::Round { seq, pushes } => self.round_stage(d, seq, pushes),
            Stage::FinalStop { since, attempt } => {
                self.when_stopped(d, |core, d, held| core.final_stop(d, held, since, attempt))
            }
            Stage::MarkStop { since } => {
                self.when_stopped(d, |core, d, held| core.mark_stopped(d, &held, since))
            }
            Stage::Clear => self.clear_stage(d),
            Stage::VerifyStop => {
                self.when_stopped(d, |core, d, held| core.verify_stopped(d, &held))
            }
            Stage::Off { seq } => self.when_answered(d, seq, Self::barriers_off),
            Stage::Sweep => self.sweep_stage(d, budget),
        }
    }
}

impl Core {
    fn begin(&self, d: &mut Driver) -> Advance {
        let number = self.started.load(Ordering::Relaxed) + 1;
        d.cycle = CycleStats {
            cycle: number,
            barrier: self.config.barrier,
            start: self.created.elapsed(),
            heap_start: self.heap_now(),
            goal: self.goal.load(Ordering::Relaxed),
            markers: self.config.marker_threads,
            minor: self.is_minor(d, number, 0) && !self.much_is_written(number_of(number)),
            ..CycleStats::default()
        };
        d.phase_began = Instant::now();
        d.failed_stops = 0;
        d.retried = false;
        d.failed_rounds = 0;
        d.shaded_before = self.counters.shaded.load(Ordering::Relaxed);
        d.owned_before = self.owned();
        d.allocated_before = self.counters.allocated.load(Ordering::Relaxed);
        self.abandon.store(false, Ordering::Relaxed);
        self.abandoned.store(false, Ordering::Relaxed);
        self.window.begin();
        self.reset_mark_counters();
        // Before any mutator can become black, see `root::table`.
        if !twin::is(Twin::RootsNotArmed) && !twin::is(Twin::RootsArmedLate) {
            self.roots.arm();
        }
        if !twin::is(Twin::ScanIdKept) && !twin::is(Twin::ScanIdLate) {
            self.next_scan_id();
        }
        self.set_phase(Phase::Arming);
        self.has_begun(&mut d.cycle);
        if !d.cycle.minor {
            d.epoch = next_epoch(d.epoch);
        }
        self.cycle_epoch.store(d.epoch, Ordering::Relaxed);
        self.cycle_fresh.store(fresh_of(number), Ordering::Relaxed);
        self.cycle_early.store(early_of(number), Ordering::Relaxed);
        self.take_noted(d);
        d.stage = self.arm(d);
        if matches!(d.stage, Stage::ArmStop { .. } | Stage::MarkStop { .. }) {
            self.ask_stop(d);
        }
        if twin::is(Twin::ScanIdLate) {
            self.next_scan_id();
        }
        Advance::Progress
    }

    /// How barriers go on; the first question is asked.
    fn arm(&self, d: &mut Driver) -> Stage {
        let since = Instant::now();
        let Plan {
            arming,
            mode,
            colour,
            ..
        } = self.plan;
        match arming {
            Arming::Stop if twin::is(Twin::DeletionWithoutStop) => Stage::Arm {
                seq: self.ask(d, mode, colour, true),
            },
            Arming::TwoHandshakes if twin::is(Twin::OneHandshake) => Stage::Arm {
                seq: self.ask(d, mode, colour, true),
            },
            Arming::TwoHandshakes => Stage::Arm {
                seq: self.ask(d, Mode::Grey, Colour::White, true),
            },
            Arming::Handshake => Stage::Arm {
                seq: self.ask(d, mode, colour, true),
            },
            Arming::Stop => Stage::ArmStop { since },
            Arming::MarkInStop => Stage::MarkStop { since },
        }
    }

    /// Every mutator has its barrier on: T1 of Hybrid; under Insertion, markers may start.
    fn armed(&self, d: &mut Driver) -> Advance {
        let at_t1 = twin::is(Twin::OneHandshake) || twin::is(Twin::DeletionWithoutStop);
        if self.plan.arming == Arming::Handshake || at_t1 {
            return self.start_marking(d);
        }
        if twin::is(Twin::MarksAtT1) {
            let _ = self.ask(d, Mode::Black, Colour::Early, true);
            return self.start_marking(d);
        }
        d.stage = Stage::ArmBlack {
            seq: self.ask(d, Mode::Black, Colour::before_t2(), true),
        };
        Advance::Progress
    }

    /// T2 of Hybrid.
    fn armed_black(&self, d: &mut Driver) -> Advance {
        if self.window.takes_second_arming() && !twin::is(Twin::LeakIgnored) {
            d.stage = Stage::ArmStop {
                since: Instant::now(),
            };
            self.ask_stop(d);
            // After the stop has been asked for: who is attached before it must not claim for the second arming, and who is
            // attached later waits for its end.
            if !twin::is(Twin::ClaimsKept) {
                self.next_scan_id();
            }
            self.early_is_white(d.epoch);
            return Advance::Progress;
        }
        // Not waited for: until a mutator adopts it, it allocates early, which is as safe.
        self.publish(d, self.plan.mode, self.plan.colour, false);
        self.start_marking(d)
    }

    fn start_marking(&self, d: &mut Driver) -> Advance {
        d.cycle.arming = d.lap();
        d.roots_unseen = Some(0);
        if twin::is(Twin::RootsArmedLate) {
            self.roots.arm();
        }
        self.expect_assists(d);
        self.worklist.open();
        self.set_phase(Phase::Marking);
        d.stage = Stage::Mark;
        Advance::Progress
    }

    fn mark_stage(&self, d: &mut Driver, marker: &mut Option<Marker>, budget: u64) -> Advance {
        if self.abandon.load(Ordering::Relaxed) {
            return self.give_up_marking(d, marker);
        }
        // Here and not at the end of arming, which may run on a mutator.
        self.push_some_roots(d);
        if self.scan_noted(d) {
            return Advance::Progress;
        }
        let (outcome, done) = self.mark_counted(marker, budget);
        // Not for edges: barriers make them without limit, and what pays for steps is allocation.
        d.work += done.bytes;
        if outcome == Marking::Progress || d.roots_unseen.is_some() {
            return Advance::Progress;
        }
        if outcome == Marking::Wait {
            return Advance::Waiting;
        }
        let Some(pushes) = self.worklist.dry() else {
            return Advance::Waiting;
        };
        if !core::mem::replace(&mut d.retried, true) {
            let _ = self.retry_deferred(Meet::ClaimOrDefer);
            return Advance::Progress;
        }
        d.retried = false;
        if twin::is(Twin::NoRound) {
            self.marking_over(d);
            return Advance::Progress;
        }
        let command = self.command();
        let seq = self.ask(d, command.mode, command.colour, false);
        let late = twin::is(Twin::RoundNotedLate).then(|| self.worklist.dry());
        let pushes = late.flatten().unwrap_or(pushes);
        d.stage = Stage::Round { seq, pushes };
        Advance::Progress
    }

    /// Waits for the answers to a flush; work that turns up ends the round.
    fn round_stage(&self, d: &mut Driver, seq: u32, pushes: u64) -> Advance {
        if self.worklist.dry() == Some(pushes) && !self.all_answered(seq) {
            return Advance::Waiting;
        }
        let clean = self.worklist.dry() == Some(pushes) || twin::is(Twin::RoundNotClean);
        if clean {
            d.handshake_answered();
        } else {
            self.round_failed(d);
        }
        let stops = self.plan.ends_in_stop && !twin::is(Twin::InsertionWithoutStop);
        if stops && (clean || d.failed_rounds >= ROUNDS) {
            // Busy mutators store new white objects in every round; only the stop ends that.
            d.stage = Stage::FinalStop {
                since: Instant::now(),
                attempt: d.failed_stops,
            };
            self.ask_stop(d);
            return Advance::Progress;
        }
        if !clean {
            d.stage = Stage::Mark;
            return Advance::Progress;
        }
        // An upgrade of an unmarked object takes the same lock and pushes under it.
        let weak = self.weak.lock();
        let seen = !twin::is(Twin::UpgradeNotSeen) && !twin::is(Twin::RoundNotClean);
        let clean = self
            .worklist
            .close_if(|dry| dry == Some(pushes) || (twin::is(Twin::DryIsEnough) && dry.is_some()));
        if !clean && seen {
            self.round_failed(d);
            d.stage = Stage::Mark;
            return Advance::Progress;
        }
        if twin::is(Twin::OverWithoutLock) {
            drop(weak);
            self.marking_over(d);
            return Advance::Progress;
        }
        if twin::is(Twin::ClearedEarly) {
            drop(weak);
            self.weak.clear(self.found_in_cycle(), d.cycle.minor);
            d.stage = Stage::Mark;
            self.marking_over(d);
            return Advance::Progress;
        }
        self.marking_over(d);
        drop(weak);
        Advance::Progress
    }

    /// What is not marked is dead from here on, unless the cycle is to be abandoned. Under the weak list's lock, with the worklist
    /// closed and no marker at work: barriers go off next, and cells are written without claims. Whoever has lost something has set
    /// `abandon` before it handed over its buffer or retired.
    pub(super) fn marking_over(&self, d: &mut Driver) {
        let abandoned = self.abandon.load(Ordering::Relaxed);
        self.abandoned.store(abandoned, Ordering::Relaxed);
        self.weak.rounds.release();
        if !twin::is(Twin::PhaseKept) {
            self.set_phase(Phase::Terminating);
        }
        d.cycle.marking = d.lap();
        d.cycle.heap_end = self.heap_now();
        // Not the difference of the two sizes, in which external memory counts.
        let allocated = self.counters.allocated.load(Ordering::Relaxed);
        d.cycle.bytes_allocated = allocated.saturating_sub(d.allocated_before);
        d.stage = Stage::Clear;
    }

    /// The cycle is abandoned: nobody marks any more, and nothing will be freed.
    fn give_up_marking(&self, d: &mut Driver, marker: &mut Option<Marker>) -> Advance {
        if let Some(marker) = marker.take() {
            self.retire_marker(marker);
        }
        if !self.worklist.give_up() {
            return Advance::Waiting;
        }
        let weak = self.weak.lock();
        self.marking_over(d);
        drop(weak);
        Advance::Progress
    }
}
