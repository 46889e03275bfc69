//! What a background thread does for a heap, and everybody else who drives cycles.
//!
//! The threads belong to all heaps, see [`pool`](super::pool); a turn in a heap is this file's. The first thread to get the
//! driver's lock drives; the others mark when there is something to mark. A thread that drives also does what nobody calls for: a
//! cycle when the heap has been idle with garbage in it, and giving memory back to the operating system. A heap that has been
//! quiet for a while is not looked at any more until somebody wakes it.

use std::time::{Duration, Instant};

use super::core::{Core, Phase, SharedCore};
use super::driver::Advance;
use super::mutator::MutatorState;
use super::pool::{Client, Next, Pool, Turn};
use crate::mark::marker::Marker;
use crate::mutator::StepStatus;
use crate::stats::CycleStats;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::sync::hooks::BACKGROUND_THREADS;
use crate::sync::twin::{self, Twin};

/// The background threads of the process. It knows the heaps that have marker threads, weakly; nothing of a heap depends
/// on another's.
static POOL: Pool<Core> = Pool::new();

/// Bytes marked or swept between looks at the world.
const SLICE: u64 = 1 << 20;
/// The same in stress mode: mutators are to do much in the middle of a cycle.
const STRESS_SLICE: u64 = 2 << 10;
/// Marked at a boundary without marker threads, beside what is owed for allocations.
const STEP: usize = 256 << 10;
/// Waits for mutators' answers: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_micros(50);
const LONGEST_WAIT: Duration = Duration::from_millis(2);
/// Time between looks at an idle heap: when there is something to do later, and the longest.
const IDLE_TICK: Duration = Duration::from_millis(150);
const LONGEST_TICK: Duration = Duration::from_millis(600);
/// A heap with garbage in it that has had no cycle for this long gets one.
const IDLE_CYCLE: Duration = Duration::from_millis(1500);
/// Free memory that is kept for the next allocations, beside an eighth of the heap.
const KEEP_FREE: usize = 4 << 20;
/// An idle heap is looked at for this long.
const LINGER: Duration = Duration::from_secs(10);
/// Who waits for a cycle looks after this time whether anybody drives it.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long there has been nothing to do.
pub(crate) struct Pace {
    quiet_since: Instant,
    /// The last wait for mutators' answers.
    wait: Duration,
    /// The last wait between looks at the idle heap.
    tick: Duration,
    /// Bytes allocated ever, at the last look.
    allocated: u64,
    /// When who drives a cycle may make the next chunk ready.
    ready_from: Instant,
}

/// Bytes allocated between two looks at a heap that is idle, at most: a program that allocates has cycles when they are due.
const TRICKLE: u64 = 64 << 10;

impl Pace {
    pub(crate) fn new() -> Self {
        Pace {
            quiet_since: Instant::now(),
            wait: FIRST_WAIT,
            tick: IDLE_TICK,
            allocated: 0,
            ready_from: Instant::now(),
        }
    }

    /// There was something to do.
    fn busy(&mut self) {
        *self = Pace {
            allocated: self.allocated,
            ready_from: self.ready_from,
            ..Pace::new()
        };
    }

    /// Since when nothing has been done, if `allocated` bytes have been allocated by now.
    fn quiet_since(&mut self, allocated: u64) -> Instant {
        if allocated > self.allocated.saturating_add(TRICKLE) {
            self.quiet_since = Instant::now();
        }
        self.allocated = allocated;
        self.quiet_since
    }

    /// There is, but not now: the next wait.
    fn waiting(&mut self) -> Duration {
        self.quiet_since = Instant::now();
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        self.wait
    }

    /// There is nothing to do, or perhaps `later`.
    fn idle(&mut self, later: bool) -> Next {
        let quiet = self.quiet_since.elapsed();
        if later && quiet > 2 * IDLE_CYCLE {
            self.quiet_since = Instant::now();
        } else if quiet >= LINGER {
            return Next::Never;
        }
        self.tick = if later {
            IDLE_TICK
        } else {
            (self.tick * 2).min(LONGEST_TICK)
        };
        Next::After(self.tick)
    }
}

/// A heap has been made.
pub(crate) fn join(core: &SharedCore) {
    if core.has_background() {
        POOL.join(core.id, core.config.marker_threads, Arc::downgrade(core));
    }
}

/// The last handle is gone: no background thread is inside any more, unless this is one of them. The heap's memory goes with
/// the last reference to the core.
pub(crate) fn shut_down(core: &SharedCore) {
    if core.has_background() {
        POOL.leave(core.id);
    }
}

impl Client for Core {
    fn turn(&self, turn: &Turn<Core>) -> Next {
        let mut marker: Option<Marker> = None;
        let (outcome, ready) = loop {
            let outcome = self.drive_in_background(&mut marker);
            let ready = self.make_ready(outcome == Some(Advance::Progress));
            if outcome == Some(Advance::Progress) {
                // What comes next is waited for anew.
                self.pace.lock().busy();
            }
            let more = ready || outcome == Some(Advance::Progress);
            if !more || !turn.goes_on() {
                break (outcome, ready);
            }
        };
        if let Some(marker) = marker {
            // Others mark for this cycle while this thread is elsewhere.
            self.retire_marker(marker);
        }
        match outcome {
            Some(Advance::Progress) => Next::Again,
            _ if ready => Next::Again,
            Some(_) if self.phase() != Phase::Idle => Next::After(self.pace.lock().waiting()),
            Some(_) => {
                let since = self.pace.lock().quiet_since(self.allocated_ever());
                let later = self.idle_work(since);
                self.pace.lock().idle(later)
            }
            None if self.phase() == Phase::Idle => Next::Missed(FIRST_WAIT),
            None if self.help_marking(|| turn.goes_on()) => Next::Again,
            None => Next::Missed(self.pace.lock().waiting()),
        }
    }
}

impl Core {
    /// Whether background threads drive this heap's cycles.
    pub(super) fn has_background(&self) -> bool {
        self.config.marker_threads > 0 && BACKGROUND_THREADS
    }

    /// Wakes the background threads, starting them if there are none.
    pub(crate) fn wake(&self) {
        if self.has_background() {
            POOL.wake(self.id);
        }
    }

    /// Somebody waits for the background threads, which may be stuck in other heaps.
    pub(crate) fn nudge(&self) {
        if self.has_background() {
            POOL.nudge();
        }
    }

    /// The background threads have work that this one, a mutator at its boundary, waits for or makes more of: where all processors are
    /// busy, they get this one. (Linux lets a thread that has been woken wait for milliseconds, in which two mutators
    /// allocate fifty megabytes.)
    pub(crate) fn give_way(&self) {
        if self.has_background() {
            std::thread::yield_now();
        }
    }

    /// Whether somebody is there to take the cycle on. Without background threads of the library a model has its own.
    pub(crate) fn is_served(&self) -> bool {
        !self.has_background() || POOL.is_inside(self.id)
    }

    /// Whether mutators do the collector's work, in steps: the heap has no marker threads, or the system gives none. (A mutator of a heap that
    /// is merely not served does not: the destructors that it would run may be those that keep the threads.)
    pub(crate) fn is_stepped(&self) -> bool {
        self.config.marker_threads == 0 || (self.has_background() && POOL.is_refused())
    }

    /// Runs a full cycle that starts after this call, and waits for its end.
    pub(crate) fn collect(&self, what: &str) -> CycleStats {
        self.check_can_wait(what);
        let number = self.request_new_cycle();
        let mut backoff = crate::sync::Backoff::default();
        loop {
            let mut status = self.status.lock();
            if self.has_background() && status.completed < number {
                self.changed.wait_for(&mut status, PATIENCE);
            }
            if status.completed >= number {
                if let Some(panic) = status.panic.take() {
                    drop(status);
                    panic.resume();
                }
                // The one asked for was full; minor ones may have followed.
                let last = status.last_full.clone();
                drop(status);
                if !self.has_background() {
                    self.give_memory_back(usize::MAX);
                }
                return last;
            }
            drop(status);
            self.nudge();
            if self.has_background() && self.is_served() {
                continue;
            }
            // Without background threads, or they are all with other heaps, perhaps because this is one.
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
        if outcome == Some(Advance::Idle) && !self.has_background() {
            self.give_memory_back(budget);
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
        if let Some(marker) = marker {
            self.retire_marker(marker);
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

    /// Gives back up to `at_most` bytes of memory that has been free for a while, but for what the next allocations are kept. Whether there
    /// was more than that, and the bytes given back.
    fn give_memory_back(&self, at_most: usize) -> (bool, usize) {
        let keep = KEEP_FREE.max(self.space.in_use() / 8);
        if self.space.free_bytes() <= keep {
            return (false, 0);
        }
        (true, self.space.scavenge(keep, at_most))
    }

    /// An idle heap: starts a cycle if there has been none for a while although something has changed; gives memory
    /// back. Whether there may be more to do later.
    pub(super) fn idle_work(&self, since: Instant) -> bool {
        let (free, given) = self.give_memory_back(64 << 20);
        let may_grow_old = free && since.elapsed() < IDLE_CYCLE * 2;
        let surplus = given > 0 || may_grow_old;
        let allocated = self.counters.allocated.load(Ordering::Relaxed);
        let live = self.counters.live.load(Ordering::Relaxed);
        // Nothing tells when garbage was made; that much has been allocated, or been dropped, can be seen.
        // A minor cycle has seen neither what was dropped nor what was allocated before it.
        let minor = self.status.lock().last.minor;
        let changed =
            minor || allocated > (live / 16).max(KEEP_FREE) || self.roots.dropped_since_cycle();
        if changed && since.elapsed() >= IDLE_CYCLE {
            self.request_cycle();
        }
        surplus || changed || self.is_cycle_wanted()
    }
}

impl Core {
    /// One slice of driving.
    fn drive_in_background(&self, marker: &mut Option<Marker>) -> Option<Advance> {
        let mut driver = self.driver.try_lock()?;
        let outcome = self.advance(&mut driver, marker, self.slice());
        if outcome != Advance::Progress
            && let Some(marker) = marker.take()
        {
            self.retire_marker(marker);
        }
        Some(outcome)
    }

    /// Makes a chunk ready if the heap grows: mutators should find memory that has been touched. A thread that is `driving` a cycle, with
    /// more to do, takes a quarter of its time for that. The cycle gives memory back: without this a heap outgrew minor cycles that would
    /// have been over before the first chunk was touched.
    fn make_ready(&self, driving: bool) -> bool {
        let before = Instant::now();
        if driving && before < self.pace.lock().ready_from {
            return false;
        }
        let ready = self.space.make_ready();
        if ready {
            self.pace.lock().ready_from = Instant::now() + 3 * before.elapsed().min(PATIENCE);
        }
        ready
    }

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
        // SAFETY: the gate was taken above and is not given back: the state is this thread's (I4). `give_back` comes to it by no other way.
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
        self.drop_everything();
        self.roots.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::{Duration, Instant};

    use crate::sync::atomic::Ordering;
    use crate::{Gc, Heap, Root, Rootable};

    #[test]
    fn a_cycle_that_begins_meanwhile_is_not_the_one_asked_for() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let core = heap.core();
        let driver = core.driver.lock();
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            scope.spawn(move || tell.send(core.request_new_cycle()).unwrap());
            // The driver may be about to begin one.
            let early = told.recv_timeout(Duration::from_millis(50));
            assert_eq!(early, Err(RecvTimeoutError::Timeout));
            core.started.store(1, Ordering::Relaxed);
            drop(driver);
            assert_eq!(told.recv().unwrap(), 2);
        });
    }

    #[test]
    fn who_drives_makes_chunks_ready_for_part_of_the_time() {
        let builder = Heap::builder().marker_threads(0).min_heap(1 << 30);
        let heap = builder.build().unwrap();
        let (core, mut mutator, mut roots) = (heap.core(), heap.attach(), Vec::new());
        let began = Instant::now();
        let mut grows_until_ready = |driving, at_most| {
            (0..at_most).any(|_| {
                roots.push(mutator.enter(|mc| -> Root<Rootable![[u64]]> {
                    Root::new(mc, Gc::slice_from_fn(mc, 8192, |_| 0))
                }));
                core.make_ready(driving)
            })
        };
        assert!(grows_until_ready(true, 1000), "the first time");
        assert!(core.pace.lock().ready_from > began, "not the next at once");
        core.pace.lock().ready_from = began + Duration::from_secs(3600);
        core.pace.lock().busy();
        assert!(!grows_until_ready(true, 100), "six megabytes");
        assert!(core.make_ready(false), "who has nothing else to do");
        assert!(core.pace.lock().ready_from < began + Duration::from_secs(1800));
    }

    /// The collector of a heap that grows slowly has nothing to do for long.
    #[test]
    fn a_heap_in_which_much_is_allocated_is_not_idle() {
        let mut pace = super::Pace::new();
        let began = pace.quiet_since(0);
        assert_eq!(pace.quiet_since(super::TRICKLE), began, "a little is");
        std::thread::sleep(Duration::from_millis(1));
        let later = pace.quiet_since(3 * super::TRICKLE);
        assert!(later > began);
        assert_eq!(pace.quiet_since(3 * super::TRICKLE), later);
        pace.busy();
        let busy = pace.quiet_since(3 * super::TRICKLE);
        assert!(busy >= later);
        assert_eq!(pace.quiet_since(4 * super::TRICKLE), busy);
    }

    /// Pages that lie thinly between used ones are not given back: there is nothing to come back for.
    #[test]
    fn an_idle_heap_is_not_looked_at_for_what_cannot_be_given_back() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let mut mutator = heap.attach();
        let mut kept: Vec<Root<Rootable![[u64; 6000]]>> = mutator.enter(|mc| {
            let roots = (0..1000).map(|_| Root::new(mc, Gc::new(mc, [0; 6000])));
            roots.collect()
        });
        let mut index = 0;
        kept.retain(|_| {
            index += 1;
            index % 6 != 0
        });
        mutator.collect();
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60));
        let long_ago = long_ago.expect("the machine runs for longer");
        let looks = (0..100).take_while(|_| heap.core().idle_work(long_ago));
        assert!(looks.count() < 100, "{:?}", heap.stats());
    }
}
