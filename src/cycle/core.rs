//! The heap's core: what mutators, markers, sweepers and the driver share.

use std::time::{Duration, Instant};

use super::background::Pace;
use super::command::{Command, Mode, number_of};
use super::driver::Driver;
use super::mail::Mail;
use super::minor::Noted;
use super::mutator::{MutatorState, YIELD};
use super::pacer::below_limit;
use super::plan::Plan;
use super::registry::Registry;
use crate::barrier::cards::Cards;
use crate::barrier::window::Window;
use crate::cell::claim::ScanId;
use crate::config::{Config, StressConfig, mix};
use crate::heap::Space;
use crate::heap::span::{Epoch, Found};
use crate::mark::marker::Marker;
use crate::mark::worklist::Worklist;
use crate::panic::Payload;
use crate::root::table::RootTable;
use crate::stats::{CycleStats, HeapStats};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::sync::twin::{self, Twin};
use crate::sync::{Arc, Condvar, Mutex, Rank, hooks, plain, thread};
use crate::weak::WeakList;

/// The phases of a cycle, as others than the driver see them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    /// No cycle.
    Idle = 0,
    /// Barriers are being switched on.
    Arming = 1,
    /// Markers are at work.
    Marking = 2,
    /// Marking is over: what is not marked is dead. Weak references are being cleared, barriers switched off.
    Terminating = 3,
    /// Dead objects are being freed.
    Sweeping = 4,
}

/// Counters that mutators and markers add to; the driver reads them at the ends of phases. Relaxed throughout: sums,
/// for statistics and pacing.
#[derive(Default)]
pub(crate) struct Counters {
    /// Bytes allocated since the last cycle's sweep began.
    pub(crate) allocated: plain::AtomicUsize,
    /// Bytes allocated before that.
    pub(crate) allocated_before: plain::AtomicU64,
    /// The sum of the two that has been reported: a sweep that begins moves bytes from one to the other, and the sum must not go back.
    pub(crate) reported: plain::AtomicU64,
    /// Bytes alive at the end of the last marking; exact after the sweep.
    pub(crate) live: plain::AtomicUsize,
    /// Bytes reported by `account`.
    pub(crate) external: plain::AtomicUsize,
    /// Bytes that objects are taken to own (`owned`).
    pub(crate) owned: plain::AtomicUsize,
    /// Bytes marked by markers and not yet used up by mutators' debts.
    pub(crate) credit: plain::AtomicI64,
    pub(crate) objects_marked: plain::AtomicU64,
    pub(crate) bytes_marked: plain::AtomicU64,
    pub(crate) bytes_assisted: plain::AtomicU64,
    /// Pointers that barriers handed over, in all cycles.
    pub(crate) shaded: plain::AtomicU64,
    pub(crate) swept: SweepCounters,
    pub(crate) drops_panicked: plain::AtomicU64,
}

/// What the sweep of the running cycle found. Relaxed, but for `pending`: it is added before the Release there, and read after the Acquire.
#[derive(Default)]
pub(crate) struct SweepCounters {
    /// Spans not yet swept. Release by who has swept one, Acquire by the driver; Relaxed where spans are put on the unswept lists, under
    /// the locks under which they are taken.
    pub(crate) pending: AtomicUsize,
    pub(crate) objects_live: plain::AtomicU64,
    pub(crate) bytes_live: plain::AtomicUsize,
    pub(crate) objects_freed: plain::AtomicU64,
    pub(crate) bytes_freed: plain::AtomicU64,
    /// Of live objects: those that are fresh.
    pub(crate) bytes_fresh: plain::AtomicUsize,
    /// In old spans: since the last full cycle.
    pub(crate) old_objects: plain::AtomicU64,
    pub(crate) old_bytes: plain::AtomicUsize,
    /// What live objects are taken to own, and those in old spans.
    pub(crate) owned: plain::AtomicUsize,
    pub(crate) old_owned: plain::AtomicUsize,
}

/// See the module header.
pub(crate) struct Core {
    /// No other heap of the process has or had it.
    pub(crate) id: u64,
    pub(crate) config: Config,
    /// What its barrier does differently in a cycle.
    pub(crate) plan: Plan,
    pub(crate) created: Instant,
    pub(crate) space: Space,
    pub(crate) worklist: Worklist,
    pub(crate) registry: Registry,
    pub(crate) roots: RootTable,
    pub(crate) weak: WeakList,
    pub(crate) mail: Mail,
    pub(crate) counters: Counters,
    /// Written by the driver, by the step to Terminating under the lock of `weak`. Others read it as a hint, or
    /// under that lock.
    phase: AtomicU8,
    /// `scan_id` of the cycle as a number. Written by the driver before it publishes the command that makes it known
    /// (Release there, Acquire in adoption). Markers read it as they do the epoch.
    scan_cycle: AtomicU64,
    /// The epoch of the cycle in progress. Relaxed: written by the driver, read by markers, who synchronise through the worklist.
    pub(crate) cycle_epoch: AtomicU8,
    /// The colour of what is allocated black in it. As the epoch; and read by sweepers, to whom the driver gives spans.
    pub(crate) cycle_fresh: AtomicU8,
    /// And early; its epoch if it arms again.
    pub(crate) cycle_early: AtomicU8,
    /// The epoch of the cycle whose sweep has begun, or of the last one. Relaxed: written before the spans are on the unswept lists.
    pub(crate) sweeping_epoch: AtomicU8,
    /// Whether that cycle is minor. As its epoch.
    pub(crate) sweeps_minor: plain::AtomicBool,
    /// That cycle, modulo `CYCLES`. A mutator that has adopted *off* allocates fresh objects from new spans
    /// only until it sees its cycle here: spans on the lists are not yet swept. Relaxed: the driver has moved all spans to
    /// the unswept lists before it writes this. Had a mutator that reads it taken a class's lock before the driver did,
    /// its read would have come before the write.
    pub(crate) sweeping_cycle: AtomicU8,
    /// The old objects that a minor cycle scans.
    pub(crate) noted: Noted,
    /// What mutators have written.
    pub(crate) cards: Cards,
    /// What Grey mutators have done.
    pub(crate) window: Window,
    /// Cycles asked for: the number of the last one wanted. Relaxed: whoever raises it wakes a thread that drives, by the pool's lock, or
    /// drives; others look again.
    pub(crate) wanted: plain::AtomicU64,
    /// The number of the last one asked for that must be full. Relaxed: raised under the driver's lock
    /// (`request_new_cycle`), or with a fence (`has_begun`).
    pub(crate) full: AtomicU64,
    /// Cycles started. Written by the driver with Release, which pairs with the Acquire of who asks for a cycle that is due
    /// (`check_trigger`). Relaxed under the driver's lock, as a hint, and for markers, as the epoch.
    pub(crate) started: plain::AtomicU64,
    /// The background sweeper leaves destructors to mutators. Relaxed: a hint.
    pub(crate) leaves_drops: plain::AtomicBool,
    /// Heap size, with what is outside of it, at which the next cycle starts. Relaxed, as the next five: for pacing.
    pub(crate) trigger: plain::AtomicUsize,
    /// Heap size at which it starts if the pages in use come to more than the goal, and than `pages`.
    pub(crate) sparse: plain::AtomicUsize,
    /// Bytes of the pages that were in use when the last one ended.
    pub(crate) pages: plain::AtomicUsize,
    /// Heap size to stay under.
    pub(crate) goal: plain::AtomicUsize,
    /// While marking: heap size from which on mutators hardly go on, at least twice the goal.
    pub(crate) outrun_from: plain::AtomicUsize,
    /// While marking: heap size from which on mutators assist.
    pub(crate) assist_from: plain::AtomicUsize,
    /// Bytes of marking per byte allocated from there on, times 256.
    pub(crate) assist_ratio: plain::AtomicU64,
    /// The cycle in progress is to be abandoned. Set by whoever meets the reason, read by the driver and by sweepers. Relaxed:
    /// a marker retires after it (the worklist's lock), a mutator answers after it, and no span is on the unswept lists before.
    /// (A `trace` that panics in a barrier when marking is over sets it, too, though nothing has been lost.)
    pub(crate) abandon: AtomicBool,
    /// Its marking is over, and has not found everything: what is not marked is not dead. Written with the step to Terminating,
    /// under the lock of `weak`, where upgrades read it (Relaxed).
    pub(crate) abandoned: AtomicBool,
    pub(crate) driver: Mutex<Driver>,
    pub(crate) status: Mutex<Status>,
    /// Signalled when a cycle ends and when a stop ends.
    pub(crate) changed: Condvar,
    /// How long the background has had nothing to do.
    pub(crate) pace: Mutex<Pace>,
    /// Without marker threads: `allocated` at the last step. Relaxed: for pacing.
    pub(crate) stepped_at: plain::AtomicUsize,
    /// Pauses of the stress mode so far.
    stress_pauses: plain::AtomicU64,
}

/// What threads wait for.
#[derive(Default)]
pub(crate) struct Status {
    /// Cycles completed.
    pub(crate) completed: u64,
    /// The last one.
    pub(crate) last: CycleStats,
    /// The last full one.
    pub(crate) last_full: CycleStats,
    pub(crate) totals: HeapStats,
    /// A panic of a `trace`, for the next `collect`.
    pub(crate) panic: Option<Payload>,
    /// Those that came after it. They go at the end of the cycle.
    pub(crate) other_panics: Vec<Payload>,
}

impl Core {
    /// The number of the cycle in progress, or of the last one, as commands have it.
    pub(crate) fn number(&self) -> u8 {
        number_of(self.started.load(Ordering::Relaxed))
    }

    pub(crate) fn new(config: Config) -> SharedCore {
        static NEXT_ID: plain::AtomicU64 = plain::AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let cycles = hooks::new_heap(id).unwrap_or(Plan::of(config.barrier));
        let driver = Driver::new(&config);
        let plan = driver.pacer.plan(0);
        let goal = plan.goal.min(config.max_heap);
        let core = Arc::new(Core {
            id,
            plan: cycles,
            created: Instant::now(),
            space: Space::new(
                config.max_heap,
                config.span_slots(),
                config.marker_threads > 0,
            ),
            worklist: Worklist::new(),
            registry: Registry::new(),
            roots: RootTable::new(id),
            weak: WeakList::default(),
            mail: Mail::default(),
            counters: Counters::default(),
            phase: AtomicU8::new(Phase::Idle as u8),
            scan_cycle: AtomicU64::new(0),
            cycle_epoch: AtomicU8::new(Command::FIRST.epoch),
            cycle_fresh: AtomicU8::new(Command::FIRST.fresh()),
            cycle_early: AtomicU8::new(Command::FIRST.epoch),
            sweeping_epoch: AtomicU8::new(Command::FIRST.epoch),
            sweeps_minor: plain::AtomicBool::new(false),
            sweeping_cycle: AtomicU8::new(Command::FIRST.cycle),
            noted: Noted::new(),
            cards: Cards::new(),
            window: Window::new(config.stress),
            wanted: plain::AtomicU64::new(0),
            full: AtomicU64::new(0),
            started: plain::AtomicU64::new(0),
            trigger: plain::AtomicUsize::new(below_limit(plan.trigger, 0, config.max_heap)),
            leaves_drops: plain::AtomicBool::new(false),
            sparse: plain::AtomicUsize::new(plan.sparse),
            pages: plain::AtomicUsize::new(0),
            goal: plain::AtomicUsize::new(goal),
            outrun_from: plain::AtomicUsize::new(0),
            assist_from: plain::AtomicUsize::new(0),
            assist_ratio: plain::AtomicU64::new(0),
            abandon: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            driver: Mutex::ranked(Rank::Driver, driver),
            status: Mutex::ranked(Rank::Status, Status::default()),
            changed: Condvar::new(),
            pace: Mutex::ranked(Rank::Pace, Pace::new()),
            stepped_at: plain::AtomicUsize::new(0),
            stress_pauses: plain::AtomicU64::new(0),
            config,
        });
        super::background::join(&core);
        core
    }

    /// The command in force.
    pub(crate) fn command(&self) -> Command {
        self.registry.command()
    }

    /// Its number.
    #[inline(always)]
    pub(crate) fn command_seq(&self) -> u32 {
        self.registry.command_seq()
    }

    /// The scan id of the running cycle.
    pub(crate) fn scan_id(&self) -> ScanId {
        ScanId::of_cycle(self.scan_cycle.load(Ordering::Relaxed))
    }

    /// Another scan id, so that all claims made so far are forgotten.
    pub(crate) fn next_scan_id(&self) {
        self.scan_cycle.fetch_add(1, Ordering::Relaxed);
    }

    /// The phase, as of a moment ago.
    pub(crate) fn phase(&self) -> Phase {
        // Acquire: pairs with `set_phase`.
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Idle,
            1 => Phase::Arming,
            2 => Phase::Marking,
            3 => Phase::Terminating,
            _ => Phase::Sweeping,
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        hooks::phase(phase);
        // Release: who sees Sweeping and sweeps must see the sweep's epoch, which has been written before.
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// The cycle, whose epoch it is, arms again.
    pub(crate) fn early_is_white(&self, epoch: Epoch) {
        if !twin::is(Twin::EarlyKept) {
            self.cycle_early.store(epoch, Ordering::Relaxed);
        }
    }

    /// The marks of what lives through the cycle in progress, or the last one.
    pub(crate) fn found_in_cycle(&self) -> Found {
        Found {
            epoch: self.epoch_of_cycle(),
            fresh: self.cycle_fresh.load(Ordering::Relaxed),
            early: self.cycle_early.load(Ordering::Relaxed),
        }
    }

    /// The epoch of the cycle in progress, or of the last one.
    pub(crate) fn epoch_of_cycle(&self) -> Epoch {
        self.cycle_epoch.load(Ordering::Relaxed)
    }

    /// The cycle in progress must free nothing; `panic` is why.
    pub(crate) fn abandon_cycle(&self, panic: Option<Payload>) {
        if let Some(panic) = panic {
            let mut status = self.status.lock();
            match &status.panic {
                None => status.panic = Some(panic),
                // Not dropped here, which runs code of the program: all mutators may be held, and the caller may be inside.
                Some(_) => status.other_panics.push(panic),
            }
        }
        self.abandon.store(true, Ordering::Relaxed);
    }

    /// A mutator is at a boundary, where no guard lives: one that is still counted has leaked, and has not shaded what was
    /// written through it. While Hybrid arms, the cycle can arm again by a stop; under Insertion it must free nothing. One that has leaked after
    /// the final stop, or is noted when the barrier has gone off since (at a poll, under the guard), has lost nothing: all was marked.
    pub(crate) fn note_leaked_guards(&self, state: &MutatorState) {
        let leaked = state.open_guards.replace(0) != 0;
        // New objects are white until the final stop, but in models of other barriers.
        let marked = match state.mode.get() {
            Mode::Off => true,
            Mode::Insertion => state.command.get().colour != self.plan.colour,
            Mode::Grey | Mode::Black => false,
        };
        if !leaked || marked {
            return;
        }
        if self.plan.mode == Mode::Insertion {
            if !twin::is(Twin::InsertionLeakIgnored) {
                self.abandon_cycle(None);
            }
        } else {
            self.window.arm_again();
        }
    }

    /// The command that a mutator of the current thread which is inside, other than `me`, has adopted, and its scan id; `None`
    /// if there is none. (When Hybrid is about to arm again, the heap's own scan id is ahead of its mutators'.)
    pub(crate) fn state_of_thread(&self, me: *const MutatorState) -> Option<(Command, ScanId)> {
        let thread = thread::current().id();
        let mut found = None;
        self.registry.all(|state| {
            if !core::ptr::eq(state, me) && state.thread == thread && state.gate.is_inside() {
                // Inside on this thread: the state is the thread's.
                found = Some((state.command.get(), state.tracer().scan_id));
            }
            found.is_none()
        });
        found
    }

    /// Whether another mutator of this heap and of the same thread is inside.
    pub(crate) fn thread_is_inside(&self, me: &MutatorState) -> bool {
        me.has_mates()
            && !self.registry.all(|other| {
                core::ptr::eq(other, me) || other.thread != me.thread || !other.gate.is_inside()
            })
    }

    /// Asks the mutators through which the thread of `me` is still inside for what `me` was asked for.
    pub(crate) fn hand_on(&self, me: &MutatorState, flags: u8) {
        if !me.has_mates() {
            return;
        }
        self.registry.all(|state| {
            if !core::ptr::eq(state, me) && state.thread == me.thread && state.gate.is_inside() {
                state.flags.fetch_or(flags, Ordering::Relaxed);
            }
            true
        });
    }

    /// Panics if the current thread cannot wait for a cycle.
    pub(crate) fn check_can_wait(&self, what: &str) {
        self.check_not_in_user_code(what);
        let me = thread::current().id();
        let inside = !self
            .registry
            .all(|other| other.thread != me || !other.gate.is_inside());
        assert!(
            !inside,
            "{what} called while this thread is inside `enter` of the same heap: the cycle would wait for the thread, \
             and the thread for the cycle. Leave `enter` first"
        );
    }

    /// Blocks the mutator, which is outside, until the stop of command `seq` is over.
    pub(crate) fn wait_for_stop_to_end(&self, seq: u32) {
        let mut backoff = 0;
        while self.command_seq() == seq {
            if self.config.marker_threads == 0 || (backoff >= 200 && !self.is_served()) {
                // Nobody else may be there to complete the stop: background threads may be with other heaps.
                self.drive_waiting();
            }
            backoff += 1;
            if backoff < 200 {
                core::hint::spin_loop();
                continue;
            }
            let mut status = self.status.lock();
            if self.command_seq() == seq {
                self.changed.wait_for(&mut status, Duration::from_millis(1));
            }
        }
    }

    /// The collector wants this mutator at its boundary.
    pub(crate) fn ask_to_yield(state: &MutatorState) {
        if state.flags.load(Ordering::Relaxed) & YIELD == 0 {
            state.flags.fetch_or(YIELD, Ordering::Relaxed);
        }
    }

    /// In stress mode, waits a random moment.
    pub(crate) fn stress_delay(&self, state: &MutatorState) {
        if let Some(stress) = self.config.stress {
            let yields = state.next_random() % (u64::from(stress.delay) + 1);
            for _ in 0..yields {
                thread::yield_now();
            }
        }
    }

    /// In stress mode, whoever comes to mark waits a random moment after its look at the cycle; now and then as long as a mutator takes to come
    /// to a boundary.
    pub(crate) fn stress_pause(&self) {
        if let Some(stress) = self.config.stress {
            let random = self.stress_random(stress);
            let length = random / 64 % (u64::from(stress.delay) + 1);
            if random.is_multiple_of(64) {
                std::thread::sleep(Duration::from_micros(50 * length));
            } else {
                (0..length).for_each(|_| thread::yield_now());
            }
        }
    }

    fn stress_random(&self, stress: StressConfig) -> u64 {
        let count = self.stress_pauses.fetch_add(1, Ordering::Relaxed);
        mix(stress.seed.wrapping_add(count))
    }

    /// In stress mode, a marker's claims last a random moment, and it follows edges now in one way and now in another.
    pub(crate) fn stress_claims(&self, marker: &mut Marker) {
        if let Some(stress) = self.config.stress {
            let seed = self.stress_random(stress);
            marker.tracer.delay_claims(stress.delay, seed);
            marker.batch.vary(seed);
        }
    }

    /// Sweeps everything that is left to sweep, for an allocation that finds no memory; whether there may have been anything.
    pub(crate) fn sweep_all(&self) -> bool {
        if self.phase() != Phase::Sweeping {
            return false;
        }
        while self.sweep_some(usize::MAX) {}
        true
    }

    /// Figures of the heap as of now.
    pub(crate) fn stats(&self) -> HeapStats {
        let c = &self.counters;
        let allocated = c.allocated.load(Ordering::Relaxed);
        let mut stats = self.status.lock().totals.clone();
        stats.bytes_live = c.live.load(Ordering::Relaxed) + allocated;
        stats.bytes_in_use = self.space.in_use();
        stats.bytes_committed = self.space.committed();
        stats.bytes_external = c.external.load(Ordering::Relaxed);
        stats.bytes_owned = self.owned();
        stats.bytes_allocated = self.allocated_ever();
        stats.mutators = self.registry.len();
        stats.drops_panicked = c.drops_panicked.load(Ordering::Relaxed);
        stats.drops_leaked = self.mail.undeliverable() as u64;
        stats.trigger = self.trigger.load(Ordering::Relaxed);
        stats
    }
}

/// A shared core.
pub(crate) type SharedCore = Arc<Core>;
