//! Background threads, and everybody else who drives cycles.
//!
//! Threads are started by the first wake-up that finds none and end when the heap has been quiet for a while, so an idle
//! heap has none. The first to get the driver's lock drives; the others mark when there is something to mark. A thread
//! that drives also does what nobody calls for: a cycle when the heap has been idle with garbage in it, and giving
//! memory back to the operating system.

use std::time::{Duration, Instant};

use super::core::{Core, Phase, SharedCore};
use super::driver::Advance;
use super::mutator::MutatorState;
use crate::mark::marker::Marker;
use crate::mutator::StepStatus;
use crate::stats::CycleStats;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::sync::hooks::BACKGROUND_THREADS;
use crate::sync::thread;
use crate::sync::twin::{self, Twin};

/// Bytes marked or swept between looks at the world.
const SLICE: u64 = 1 << 20;
/// The same in stress mode: mutators are to do much in the middle of a cycle.
const STRESS_SLICE: u64 = 2 << 10;
/// Marked at a boundary without marker threads, beside what is owed for allocations.
const STEP: usize = 256 << 10;
/// Waits for mutators' answers: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_micros(50);
const LONGEST_WAIT: Duration = Duration::from_millis(2);
/// How often an idle thread looks at the heap.
const IDLE_TICK: Duration = Duration::from_millis(150);
/// A heap with garbage in it that has had no cycle for this long gets one.
const IDLE_CYCLE: Duration = Duration::from_millis(1500);
/// Free memory that is kept for the next allocations, beside an eighth of the heap.
const KEEP_FREE: usize = 4 << 20;
/// A thread with nothing to do for this long ends.
const LINGER: Duration = Duration::from_secs(10);

impl Core {
    /// Wakes the background threads, starting them if there are none.
    pub(crate) fn wake(self: &Core) {
        if self.config.marker_threads == 0 || !BACKGROUND_THREADS {
            return;
        }
        let mut status = self.status.lock();
        status.poked = true;
        let start = status.threads == 0 && !status.shutdown;
        if start && let Some(core) = self.this.upgrade() {
            // Handles of threads that have ended by themselves need no joining. If the system starts none, those who wait for a
            // cycle drive it.
            let markers = 0..self.config.marker_threads;
            status.handles = markers
                .filter_map(|index| spawn(&core, index).ok())
                .collect();
            status.threads = status.handles.len();
        }
        drop(status);
        self.work.notify_all();
    }

    /// Runs a full cycle that starts after this call, and waits for its end.
    pub(crate) fn collect(&self, what: &str) -> CycleStats {
        self.check_can_wait(what);
        let number = self.request_new_cycle();
        let mut backoff = crate::sync::Backoff::default();
        loop {
            let mut status = self.status.lock();
            if status.completed >= number {
                if let Some(panic) = status.panic.take() {
                    drop(status);
                    std::panic::resume_unwind(panic);
                }
                return status.last.clone();
            }
            if status.threads > 0 {
                self.changed
                    .wait_for(&mut status, Duration::from_millis(100));
                continue;
            }
            drop(status);
            match self.drive(u64::MAX) {
                Some(Advance::Progress) => {}
                _ => backoff.wait(),
            }
        }
    }

    /// Does a part of a cycle's work; for `Mutator::step`.
    pub(crate) fn step(&self, budget: usize) -> StepStatus {
        let before = self.status.lock().completed;
        let outcome = self.drive(budget as u64);
        if self.status.lock().completed != before {
            return StepStatus::Completed;
        }
        match outcome {
            Some(Advance::Idle) => StepStatus::Idle,
            Some(Advance::Progress) => StepStatus::InProgress,
            Some(Advance::Waiting) | None => StepStatus::Waiting,
        }
    }

    /// Without marker threads, a mutator that must wait for the cycle takes it to its end, unless it waits for another mutator.
    pub(crate) fn drive_under_pressure(&self) {
        let completed = self.status.lock().completed;
        let busy = || self.phase() != Phase::Idle || self.is_cycle_wanted();
        while busy() && self.status.lock().completed == completed {
            if self.drive(u64::MAX) != Some(Advance::Progress) {
                return;
            }
        }
    }

    /// A mutator that waits outside takes the cycle on, if nobody does.
    pub(crate) fn drive_waiting(&self) {
        let _ = self.drive(256 << 10);
    }

    /// Advances the cycle until about `budget` bytes have been marked or swept, it must wait, or it has ended. `None` if
    /// another thread drives.
    fn drive(&self, budget: u64) -> Option<Advance> {
        let mut driver = self.driver.try_lock()?;
        let mut marker: Option<Marker> = None;
        let mut left = budget;
        let completed = self.status.lock().completed;
        let outcome = loop {
            driver.work = 0;
            let outcome = self.advance(&mut driver, &mut marker, left.min(self.slice()));
            left = left.saturating_sub(driver.work);
            let ended = self.status.lock().completed != completed;
            if outcome != Advance::Progress || ended || left == 0 {
                break outcome;
            }
        };
        if let Some(mut marker) = marker {
            self.retire_marker(&mut marker);
        }
        Some(outcome)
    }

    /// Without marker threads: a mutator at its boundary pays for what has been allocated.
    pub(crate) fn step_at_boundary(&self, state: &MutatorState) {
        if self.in_user_code() || self.thread_is_inside(state) {
            return;
        }
        let now = self.counters.allocated.load(Ordering::Relaxed);
        let since = now.saturating_sub(self.stepped_at.swap(now, Ordering::Relaxed));
        // At three times the pace of allocation a cycle over `live` bytes is done when live / 3 have been allocated.
        let least = STEP.min(self.slice() as usize);
        let _ = self.step(since.saturating_mul(3) + least);
    }

    /// Bytes marked or swept between looks at the world.
    pub(crate) fn slice(&self) -> u64 {
        if self.config.stress.is_some() {
            STRESS_SLICE
        } else {
            SLICE
        }
    }

    /// An idle heap: starts a cycle if there has been none for a while although something has changed; gives memory
    /// back. Whether there may be more to do later.
    fn idle_work(&self, since: Instant) -> bool {
        let free = self.space.free_bytes();
        let keep = KEEP_FREE.max(self.space.in_use() / 8);
        let surplus = free > keep && self.space.scavenge(keep, 64 << 20) + KEEP_FREE > 0;
        let allocated = self.counters.allocated.load(Ordering::Relaxed);
        let live = self.counters.live.load(Ordering::Relaxed);
        // Nothing tells when garbage was made; that much has been allocated, or been dropped, can be seen.
        let changed = allocated > (live / 16).max(KEEP_FREE) || self.roots.dropped_since_cycle();
        if changed && since.elapsed() >= IDLE_CYCLE {
            self.request_cycle();
        }
        surplus || changed || self.is_cycle_wanted()
    }
}

fn spawn(core: &SharedCore, index: usize) -> std::io::Result<thread::JoinHandle<()>> {
    let core = core.clone();
    let name = format!("tricolor-gc {}.{index}", core.id);
    let run = move || {
        let bug = AbortOnPanic;
        run(&core);
        core::mem::forget(bug);
    };
    thread::Builder::new().name(name).spawn(run)
}

/// The collector's own code does not panic; if it did, everybody who waits for a cycle would wait for ever.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        eprintln!("tricolor-gc: a background thread panicked; this is a bug in the collector");
        std::process::abort();
    }
}

/// A background thread.
fn run(core: &Core) {
    let mut quiet_since = Instant::now();
    let mut wait = FIRST_WAIT;
    let mut marker: Option<Marker> = None;
    loop {
        let outcome = drive_in_background(core, &mut marker);
        let timeout = match outcome {
            // Mutators should find memory that has been touched.
            _ if core.space.make_ready() => Duration::ZERO,
            Some(Advance::Progress) => {
                (quiet_since, wait) = (Instant::now(), FIRST_WAIT);
                Duration::ZERO
            }
            Some(Advance::Waiting) | None if core.phase() != Phase::Idle => {
                quiet_since = Instant::now();
                if outcome.is_none() {
                    core.help_marking();
                }
                wait = (wait * 2).min(LONGEST_WAIT);
                wait
            }
            _ => {
                if core.idle_work(quiet_since) && quiet_since.elapsed() > 2 * IDLE_CYCLE {
                    quiet_since = Instant::now();
                }
                IDLE_TICK
            }
        };
        if !sleep(core, timeout, quiet_since) {
            return;
        }
    }
}

/// One slice of driving, without holding work or the lock across the wait that may follow.
fn drive_in_background(core: &Core, marker: &mut Option<Marker>) -> Option<Advance> {
    let mut driver = core.driver.try_lock()?;
    let outcome = core.advance(&mut driver, marker, core.slice());
    if outcome != Advance::Progress
        && let Some(mut marker) = marker.take()
    {
        core.retire_marker(&mut marker);
    }
    Some(outcome)
}

/// Waits until there may be something to do. Whether the thread goes on.
fn sleep(core: &Core, timeout: Duration, quiet_since: Instant) -> bool {
    let mut status = core.status.lock();
    if !status.shutdown && !status.poked && !timeout.is_zero() {
        core.work.wait_for(&mut status, timeout);
    }
    status.poked = false;
    let done =
        core.phase() == Phase::Idle && quiet_since.elapsed() >= LINGER && !core.is_cycle_wanted();
    if status.shutdown || done {
        status.threads -= 1;
        return false;
    }
    true
}

/// The last handle is gone: ends the threads. The heap's memory goes with the last reference to the core.
pub(crate) fn shut_down(core: &SharedCore) {
    let mut status = core.status.lock();
    status.shutdown = true;
    let handles = core::mem::take(&mut status.handles);
    drop(status);
    core.work.notify_all();
    let me = thread::current().id();
    for handle in handles {
        // A destructor on a marker thread may hold the last handle: that thread ends by itself, later.
        if handle.thread().id() != me {
            let _ = handle.join();
        }
    }
}

impl Core {
    /// Takes a mutator off the heap.
    pub(crate) fn detach(&self, state: &Arc<MutatorState>) {
        let mut backoff = crate::sync::Backoff::default();
        while !state.gate.enter() {
            backoff.wait();
        }
        // From here on the gate stays taken: nobody else touches the state.
        if !twin::is(Twin::DetachForgetsLeak) {
            self.note_leaked_guards(state);
        }
        if twin::is(Twin::DetachBeforeFlush) {
            self.registry.detach(state);
        }
        if !twin::is(Twin::DetachNoFlush) {
            state.flush(self);
        }
        if !twin::is(Twin::DetachKeepsSpans) {
            state.release_cache(self);
        }
        // SAFETY: the state is ours, see above.
        let slots = unsafe { &mut *state.root_slots.get() };
        self.roots.give_back(slots);
        self.registry.detach(state);
        self.wake_if_waited_for();
    }

    fn wake_if_waited_for(&self) {
        if self.phase() != Phase::Idle {
            self.wake();
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let token = super::mail::thread_token();
        self.drop_everything(token);
        self.roots.close();
    }
}
