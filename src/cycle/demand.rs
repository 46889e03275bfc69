//! What allocation asks of the collector: the bytes charged, the cycle that the heap's size calls for, and the wait of a mutator
//! that is far ahead of it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::core::{Core, Phase};
use super::mutator::{MutatorState, PRESSURE, STEP};
use crate::stats::CycleStats;
use crate::sync::atomic::Ordering;
use crate::sync::plain;
use crate::sync::twin::{self, Twin};

/// Growth past the goal that help to mark is enough for.
const OVERSHOOT: usize = 8 << 20;

/// Growth for half a millisecond of waiting beyond that.
const PER_LONG_WAIT: usize = 64 << 10;

/// Bytes of spans that a mutator may hold without having allocated from them: a batch of two classes.
const HELD_AHEAD: usize = 256 << 10;

impl Core {
    /// Bytes that count for pacing.
    pub(crate) fn heap_now(&self) -> usize {
        let c = &self.counters;
        let own = c.live.load(Ordering::Relaxed) + c.allocated.load(Ordering::Relaxed);
        own.saturating_add(self.outside())
    }

    /// A mutator took `bytes` for objects, which will own `owned` more.
    pub(crate) fn charge(&self, state: &MutatorState, bytes: usize, owned: usize) {
        self.counters.allocated.fetch_add(bytes, Ordering::Relaxed);
        state
            .largest_charge
            .set(state.largest_charge.get().max(bytes));
        match self.phase() {
            Phase::Marking => {
                self.assist(state, bytes.saturating_add(owned).min(isize::MAX as usize))
            }
            Phase::Sweeping => self.assist_sweep(state, bytes, owned),
            _ => {}
        }
        self.check_trigger(state);
    }

    /// A mutator gives back `unused` bytes that it was charged for; `uncharged` ones it was not.
    pub(crate) fn recharge(&self, uncharged: usize, unused: usize) {
        let sub = |value: usize| Some((value + uncharged).saturating_sub(unused));
        let _ = self
            .counters
            .allocated
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, sub);
    }

    /// Asks for a cycle if the heap has grown enough.
    pub(crate) fn request_cycle_if_due(&self) {
        // In this order, as in `check_trigger`. Acquire: pairs with the Release of `begin`.
        let started = self.started.load(Ordering::Acquire);
        let idle = self.phase() == Phase::Idle;
        if idle && self.has_grown(self.heap_now()) {
            self.request_cycle_after(started);
        }
    }

    /// Whether a heap of `heap` bytes has grown enough for a cycle since the last one.
    fn has_grown(&self, heap: usize) -> bool {
        heap >= self.trigger.load(Ordering::Relaxed)
            || heap >= self.sparse.load(Ordering::Relaxed) && self.is_sparse()
    }

    /// Whether the heap's pages, but for those that caches hold ahead, come to more than the goal, and grow: see `pacer`.
    fn is_sparse(&self) -> bool {
        let pages = self.space.in_use();
        let used = pages.saturating_sub(HELD_AHEAD);
        pages > self.pages.load(Ordering::Relaxed)
            && used.saturating_add(self.outside()) > self.goal.load(Ordering::Relaxed)
    }

    /// Asks for a cycle if the heap has grown enough, and tells the mutator what its boundary is wanted for.
    pub(crate) fn check_trigger(&self, state: &MutatorState) {
        // In this order, each after the one before: a heap found idle has its size and trigger of after its last cycle, and
        // a cycle that begins meanwhile is the one that is asked for here, not a reason for another. Acquire: pairs with the Release of
        // `begin`.
        let started = self.started.load(Ordering::Acquire);
        let phase = self.phase();
        let idle = phase == Phase::Idle;
        let heap = self.heap_now();
        let goal = self.goal.load(Ordering::Relaxed);
        if idle && self.has_grown(heap) {
            self.request_cycle_after(started);
            if heap > goal {
                // Asked for long ago, and it has not begun.
                self.nudge();
            }
        }
        let mut flags = 0;
        let stepped = self.is_stepped();
        if stepped && (!idle || self.is_cycle_wanted()) {
            flags |= STEP;
        }
        // Somebody stays inside, or the driver waits for a processor, or for mutators that do its work in steps, as they do anyway.
        let far = if stepped && phase != Phase::Marking {
            goal.saturating_mul(2)
        } else {
            goal
        };
        if heap > far || self.is_near_limit(state.largest_charge.get()) {
            flags |= PRESSURE;
        }
        if flags != 0 {
            state.flags.fetch_or(flags, Ordering::Relaxed);
        }
    }

    /// The cycle has its phase; whoever asks for one asks for the next from here on.
    pub(super) fn has_begun(&self, cycle: &mut CycleStats) {
        // Release, and after the phase: who sees this number does not find the heap idle before the cycle has ended (`check_trigger`).
        self.started.store(cycle.cycle, Ordering::Release);
        // Looked at before, too. Who raised it since, and has not seen the number, does not ask again:
        //
        //     started = number      full = number
        //     fence                 fence
        //     full < number?        started < number?
        //
        // One of the two sees what the other has written.
        plain::fence(Ordering::SeqCst);
        cycle.minor &= self.full.load(Ordering::Relaxed) < cycle.cycle;
    }

    /// Asks for a full cycle, unless one has been asked for already.
    pub(crate) fn request_cycle(&self) {
        let mut started = self.started.load(Ordering::Relaxed);
        loop {
            self.full.fetch_max(started + 1, Ordering::Relaxed);
            self.request_cycle_after(started);
            // See `has_begun`.
            plain::fence(Ordering::SeqCst);
            match self.started.load(Ordering::Relaxed) {
                now if now == started => return,
                now => started = now,
            }
        }
    }

    /// Asks for a cycle, which may be minor, unless one has been asked for already.
    pub(crate) fn request_any_cycle(&self) {
        self.request_cycle_after(self.started.load(Ordering::Relaxed));
    }

    /// Asks for the cycle that follows number `started`, unless somebody has.
    fn request_cycle_after(&self, started: u64) {
        if self.wanted.load(Ordering::Relaxed) <= started
            && self.wanted.fetch_max(started + 1, Ordering::Relaxed) <= started
        {
            self.wake();
        }
    }

    /// Asks for a full cycle that starts after now; its number.
    pub(crate) fn request_new_cycle(&self) -> u64 {
        // Under the driver's lock no cycle can start between the look and the request.
        let driver = (!twin::is(Twin::AskedWithoutLock)).then(|| self.driver.lock());
        let number = self.started.load(Ordering::Relaxed) + 1;
        self.full.fetch_max(number, Ordering::Relaxed);
        self.wanted.fetch_max(number, Ordering::Relaxed);
        drop(driver);
        self.wake();
        number
    }

    /// Whether a cycle that has not started is wanted.
    pub(crate) fn is_cycle_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > self.started.load(Ordering::Relaxed)
    }

    /// A mutator at its boundary allocates faster than the collector works, or was refused memory. What it does:
    ///
    /// | the heap is | |
    /// |---|---|
    /// | near its hard limit | waits for the end of a cycle, at most a second or two |
    /// | past twice the goal, it is marked, and it is a quarter larger than when that began | waits two milliseconds for the end of marking: allocation slows down to the markers' pace |
    /// | past twice the goal, and it is marked by background threads | waits half a millisecond each time that it has grown by a 4096th, or else marks a little. A heap whose mutator was inside for long comes late to its cycle, which is not the fault of what is allocated now |
    /// | past twice the goal | waits half a millisecond |
    /// | past the goal, and it is not marked | gives way to the background threads, each time that it has grown by an eighth |
    /// | past the goal by more than [`OVERSHOOT`] or a 128th, and it is marked | waits half a millisecond each time that it has grown by [`PER_LONG_WAIT`], or else marks a little: help alone, in pieces that nobody notices, let a large heap grow by five to ten per cent beyond its goal |
    /// | else | marks a little, or waits a tenth of a millisecond if there is nothing to take |
    pub(crate) fn wait_for_cycle_under_pressure(&self, state: &MutatorState) {
        if self.thread_is_inside(state) || self.in_user_code() {
            return;
        }
        let patience = Duration::from_millis(10);
        let (heap, goal) = (self.heap_now(), self.goal.load(Ordering::Relaxed));
        let next = state.largest_charge.take();
        if self.is_near_limit(next) {
            // A cycle that is under way keeps what was allocated since it began: only one that begins now sees it all.
            let running = self.phase() != Phase::Idle;
            if running && !self.wait_for_end_of_cycle(patience, 100) {
                // Somebody keeps it from its end, for longer than it is worth waiting.
                return;
            }
            let new = self.counters.allocated.load(Ordering::Relaxed);
            if self.is_near_limit(next) && (running || new >= self.config.max_heap / 64) {
                self.request_cycle();
                let _ = self.wait_for_end_of_cycle(patience, 100);
            }
        } else if let Some(micros) = self.hold_up(state, heap, goal) {
            let _ = self.wait_for_end_of_cycle(Duration::from_micros(micros), 1);
        }
    }

    /// All but the first row of that table: how many microseconds to wait, if any.
    fn hold_up(&self, state: &MutatorState, heap: usize, goal: usize) -> Option<u64> {
        let marking = self.phase() == Phase::Marking;
        let in_background = !self.is_stepped();
        let twice = heap > goal.saturating_mul(2);
        if twice && !(marking && in_background) {
            return Some(500);
        }
        if twice && heap > self.outrun_from.load(Ordering::Relaxed) {
            return Some(2000);
        }
        if heap > goal && !marking && in_background {
            // Now and then: there may be other processes, which get the processor as well.
            if state.gives_way(heap, goal / 8) {
                self.give_way();
            }
            return None;
        }
        let per_wait = if twice {
            heap / 4096
        } else if heap > goal.saturating_add((goal / 128).max(OVERSHOOT)) {
            PER_LONG_WAIT
        } else {
            usize::MAX
        };
        if in_background && state.gives_way(heap, per_wait) {
            return Some(500);
        }
        (self.assist_at_boundary() == 0).then_some(100)
    }

    /// Waits for the end of the cycle that runs or is wanted, at most `turns` times `turn`. Whether it has ended.
    fn wait_for_end_of_cycle(&self, turn: Duration, turns: u32) -> bool {
        if self.is_stepped() {
            return self.step_to_end_of_cycle(turn, turns);
        }
        let mut status = self.status.lock();
        let before = status.completed;
        for _ in 0..turns {
            let busy = self.phase() != Phase::Idle || self.is_cycle_wanted();
            if status.completed != before || !busy {
                return true;
            }
            self.changed.wait_for(&mut status, turn);
            drop(status);
            self.nudge();
            status = self.status.lock();
        }
        false
    }

    /// The same where mutators do the work: where the cycle waits for another mutator, that one gets the processor.
    fn step_to_end_of_cycle(&self, turn: Duration, turns: u32) -> bool {
        let before = self.status.lock().completed;
        let until = crate::sync::now() + turn * turns;
        loop {
            if turns > 1 {
                self.drive_under_pressure();
            } else {
                self.drive_waiting();
            }
            let mut status = self.status.lock();
            let busy = self.phase() != Phase::Idle || self.is_cycle_wanted();
            if status.completed != before || !busy {
                return true;
            }
            if crate::sync::now() >= until {
                return false;
            }
            self.changed
                .wait_for(&mut status, turn.min(Duration::from_micros(500)));
        }
    }

    /// Whether the heap is within about a ninth of its hard limit, or would be after an allocation of `next` bytes.
    fn is_near_limit(&self, next: usize) -> bool {
        let used = self.space.in_use().saturating_add(self.external());
        used.saturating_add(next) / 8 >= self.config.max_heap / 9
    }

    /// Whether more than half of the hard limit is in use.
    pub(crate) fn is_half_full(&self) -> bool {
        self.is_half_full_after(0)
    }

    /// Whether it will be when another `ahead` bytes have been allocated.
    pub(crate) fn is_half_full_after(&self, ahead: usize) -> bool {
        let used = self.space.in_use().saturating_add(self.external());
        used.saturating_add(ahead) > self.config.max_heap / 2
    }

    /// Bytes allocated since the heap was made.
    pub(crate) fn allocated_ever(&self) -> u64 {
        let c = &self.counters;
        // In this order: what is moved meanwhile counts late, not twice. Acquire: pairs with the Release of `start_sweep`.
        let before = c.allocated_before.load(Ordering::Acquire);
        let sum = before + c.allocated.load(Ordering::Relaxed) as u64;
        c.reported.fetch_max(sum, Ordering::Relaxed).max(sum)
    }

    /// Bytes of external memory reported.
    pub(crate) fn external(&self) -> usize {
        self.counters.external.load(Ordering::Relaxed)
    }

    /// External memory has grown or shrunk.
    pub(crate) fn account(&self, delta: isize) {
        let add = |bytes: usize| Some(bytes.saturating_add_signed(delta));
        let _ = self
            .counters
            .external
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

impl MutatorState {
    /// Whether a heap of `heap` bytes has changed by `part` since the thread last gave way; now it does.
    fn gives_way(&self, heap: usize, part: usize) -> bool {
        let gives = heap.abs_diff(self.gave_way_at.get()) >= part;
        if gives {
            self.gave_way_at.set(heap);
        }
        gives
    }
}
