//! `Heap` and its builder: the collector as its users hold it.

use core::fmt;

use crate::config::{Barrier, Config, StressConfig};
use crate::cycle::command::Command;
use crate::cycle::core::{Core, SharedCore};
use crate::cycle::mail::thread_token;
use crate::cycle::mutator::{MAIL, MutatorState};
use crate::error::ConfigError;
use crate::mutator::Mutator;
use crate::stats::{CycleStats, HeapStats};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::sync::twin::{self, Twin};

/// A garbage-collected heap and its collector.
///
/// A handle: clones share the heap. Any number of heaps may live in one process; they share their marker threads, and
/// address space for what they will need next. When the last handle, and the last [`Mutator`], is gone, the marker threads leave the heap, all objects are dropped (those
/// that are not `Send` only if this thread made them) and the memory is given back.
///
/// ```
/// use tricolor_gc::{Barrier, Heap};
///
/// let heap = Heap::builder().barrier(Barrier::Deletion).growth_percent(50).build()?;
/// let cycle = heap.collect();
/// assert_eq!(cycle.barrier, Barrier::Deletion);
/// # Ok::<(), tricolor_gc::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Heap {
    shared: Arc<Shared>,
}

/// Owned by the handles: its end is the end of the heap.
struct Shared {
    core: SharedCore,
}

impl Drop for Shared {
    fn drop(&mut self) {
        crate::cycle::background::shut_down(&self.core);
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap")
            .field("id", &self.core().id)
            .finish_non_exhaustive()
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl Heap {
    /// A heap with the default settings.
    pub fn new() -> Heap {
        Self::from_config(Config::default())
    }

    /// Settings for a heap.
    pub fn builder() -> HeapBuilder {
        HeapBuilder {
            config: Config::default(),
        }
    }

    fn from_config(config: Config) -> Heap {
        Heap {
            shared: Arc::new(Shared {
                core: Core::new(config),
            }),
        }
    }

    #[inline(always)]
    pub(crate) fn core(&self) -> &SharedCore {
        &self.shared.core
    }

    /// Makes the current thread a mutator of the heap. At any time, also while a cycle runs; a thread may have several.
    ///
    /// # Panics
    /// If called from the destructor of an object of the same heap.
    pub fn attach(&self) -> Mutator {
        let core = self.core();
        core.check_not_in_user_code("Heap::attach");
        let asked = twin::is(Twin::MailAskedFirst) && core.mail.waits_for(thread_token());
        let state = core.registry.attach(|mut command| {
            let inside = core.state_of_thread(std::ptr::null());
            if let Some((inside, _)) = inside {
                // The thread is inside through another mutator, at no boundary: the new one is where that one is.
                command = inside;
            } else if command.stop && !twin::is(Twin::AttachedEntersStop) {
                // The stop must find it: an earlier number makes it look before it enters.
                command.seq = command.seq.wrapping_sub(1);
            }
            let seed = core.config.stress.map_or(0, |stress| {
                stress.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (core.registry.len() as u64 + 1)
            });
            if twin::is(Twin::AttachesOff) {
                command = Command {
                    seq: command.seq,
                    ..Command::FIRST
                };
            }
            // Made where it stays: it is too large for the stacks of a model's threads to hold it twice.
            let state = Arc::new(MutatorState::new(core, command, seed));
            if let Some((_, scan_id)) = inside
                && !twin::is(Twin::AttachedScansAhead)
            {
                state.tracer().scan_id = scan_id;
            }
            state
        });
        // Now that whoever sends a letter finds this mutator to tell: what was sent before.
        let asks = !twin::is(Twin::MailAskedFirst) && !twin::is(Twin::MailNotAsked);
        if asked || asks && core.mail.waits_for(state.thread_token) {
            state.flags.fetch_or(MAIL, Ordering::Relaxed);
        }
        Mutator::new(state, self.clone())
    }

    /// Runs a full cycle, one that starts after this call, and waits for its end. Its figures, or those of a later full one.
    ///
    /// From a thread without a mutator; with one, [`Mutator::collect`] also runs the destructors that wait for the thread. The cycle
    /// needs the other mutators to come to a boundary: one that is inside and waits for this thread, in a `collect` of a heap
    /// that this thread is inside of, say, waits for ever.
    ///
    /// # Panics
    /// As [`Mutator::collect`].
    pub fn collect(&self) -> CycleStats {
        self.core().collect("Heap::collect")
    }

    /// Figures of the heap as of now.
    pub fn stats(&self) -> HeapStats {
        self.core().stats()
    }

    /// What the last completed cycle did; `None` before the first.
    pub fn last_cycle(&self) -> Option<CycleStats> {
        let status = self.core().status.lock();
        (status.completed > 0).then(|| status.last.clone())
    }

    /// Reports memory outside the heap that objects of it own, as [`Mutation::account`](crate::Mutation::account) does, from
    /// anywhere: a destructor, a thread without a mutator.
    pub fn account(&self, delta: isize) {
        self.core().account(delta);
        if delta > 0 {
            self.core().request_cycle_if_due();
        }
    }

    /// A number that identifies the heap among all of the process.
    pub fn id(&self) -> u64 {
        self.core().id
    }

    /// The barrier it was built with.
    pub fn barrier(&self) -> Barrier {
        self.core().config.barrier
    }
}

/// Settings for a [`Heap`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HeapBuilder {
    config: Config,
}

impl HeapBuilder {
    /// The write barrier. Default: [`Barrier::Hybrid`].
    pub fn barrier(mut self, barrier: Barrier) -> Self {
        self.config.barrier = barrier;
        self
    }

    /// How much the heap may grow over what lived after a cycle before the next is done, in percent: 1 to 100,000. Default:
    /// 100, as Go's `GOGC`.
    /// A heap whose pages come to more than that, because many are half empty, collects up to three times as often while they grow.
    pub fn growth_percent(mut self, percent: u32) -> Self {
        self.config.growth_percent = percent;
        self
    }

    /// Soft limit in bytes: cycles come more often to stay under it, as Go's `GOMEMLIMIT`. At least 65,536. Default: none.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.config.memory_limit = bytes;
        self
    }

    /// Hard limit in bytes on the pages that hold objects plus external memory: past it allocation fails. At least 65,536.
    /// Default: none.
    ///
    /// Cycles begin so early that garbage alone does not reach the limit, if threads are at a boundary between allocations, no object is
    /// larger than those before it by a ninth of the limit, and the pages that each thread keeps for each type and size, 16 KiB or, if that is
    /// more, the room of four objects, are little beside it. While a thread stays inside `enter` no memory becomes free, and others may be
    /// refused what is free only after that. The limit is looked at when an allocation takes pages: external memory reported before
    /// that may pass it.
    pub fn max_heap(mut self, bytes: usize) -> Self {
        self.config.max_heap = bytes;
        self
    }

    /// Bytes that count as live in addition to what is when the next goal is set: the heap grows to about this (times
    /// `growth_percent`/100) before the first cycle. An eighth of what lives is added to it, at most as much again. Default: 8 MiB. Of each heap: a process with
    /// hundreds of small ones gives them less, 64 KiB, say.
    pub fn min_heap(mut self, bytes: usize) -> Self {
        self.config.min_heap = bytes;
        self
    }

    /// Whether cycles that allocation calls for may be *minor*. Default: `true`.
    ///
    /// A minor cycle keeps all that older cycles have found, without looking at it again, and marks what was allocated since: the cost
    /// of a cycle is then that of what is new, and of the old objects that have been written lately, which are found by four kibibytes.
    /// Where most of what is new survives, or a quarter of the heap has been written, there are no such cycles for a while; nor while objects
    /// that have cells in memory that they own ([`Trace::CELLS_INLINE`](crate::Trace::CELLS_INLINE)) are many, more than a thirty-second of the heap or a
    /// megabyte: of these all are looked at again. Under [`Barrier::Insertion`] that holds for all objects whose pointers can change
    /// ([`Trace::IMMUTABLE`](crate::Trace::IMMUTABLE) says which cannot). Each store through a cell pays a third of a nanosecond for it.
    ///
    /// What was old and has become garbage is freed by the next full cycle: when minor ones have kept much, when sixteen times
    /// the room to grow has been allocated, when the heap has been idle for a while after a cycle (with marker threads), when a hard limit is near, or when [`Mutator::collect`] asks for it.
    pub fn minor_cycles(mut self, minor: bool) -> Self {
        self.config.minor_cycles = minor;
        self
    }

    /// Background marker threads: 0 to 64. With 0 the mutators do the work in steps, at their boundaries and in
    /// [`Mutator::step`]; memory goes back to the system in `collect`, and in a step when no cycle is due. Default: a quarter of the
    /// processors, at least one.
    ///
    /// The threads serve all heaps of the process: there are as many as the living heap with the most asks for, and at most
    /// this number work for this heap at once. They start with the first cycle, sleep when no heap has work for them, and the last
    /// heap takes them with it. A destructor that blocks keeps its thread; other heaps that need one get another, after
    /// some ten milliseconds.
    pub fn marker_threads(mut self, threads: usize) -> Self {
        self.config.marker_threads = threads;
        self
    }

    /// Prints a line per cycle to standard error. Default: whether the environment variable `TRICOLOR_GC` has `trace=1`.
    pub fn trace(mut self, trace: bool) -> Self {
        self.config.trace = trace;
        self
    }

    /// Makes rare interleavings common; see [`StressConfig`]. Default: off.
    pub fn stress(mut self, stress: StressConfig) -> Self {
        self.config.stress = Some(stress);
        self
    }

    /// Builds the heap. It takes two mebibytes of address space, and little memory; where the system refuses that, the process ends, as with any
    /// memory that a collection of std is refused.
    ///
    /// # Errors
    /// [`ConfigError`] names a setting that is out of range.
    pub fn build(self) -> Result<Heap, ConfigError> {
        self.config.check()?;
        Ok(Heap::from_config(self.config))
    }
}
