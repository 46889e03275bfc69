//! A mutator's state: what `Mutation` is a view of.
//!
//! Everything in a `Cell` or `UnsafeCell` here, but for two figures that say so, belongs to the owner of the gate (see `gate`): the
//! mutator's thread while it is inside, the collector while it holds the gate (I4). The atomics say who writes them.
//!
//! Two things happen at a *boundary* (entering, or held by the collector): the mutator [adopts](MutatorState::adopt) the
//! collector's command, and its stack is known to hold no pointers. At a *poll* (see `command`) it may adopt commands that need no empty stack.
//!
//! A thread with several mutators in a heap is at a boundary while all of them are outside, and as it enters the first: they adopt together
//! what needs one. One that is entered inside another adopts no such command; it takes over that one's state if it is behind.

#[cfg(all(test, not(tricolor_loom)))]
mod tests;

use core::cell::{Cell, UnsafeCell};

use super::command::{Command, Mode};
use super::core::Core;
use super::gate::Gate;
use super::registry::OTHERS;
use crate::barrier::cards::{BARRIER, Stamps, stamp_of};
use crate::heap::cache::Cache;
use crate::mark::tracer::{Meet, Tracer};
use crate::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use crate::sync::hooks;
use crate::sync::thread::{self, ThreadId};
use crate::sync::twin::{self, Twin};
use crate::sync::witness::Witness;

/// The collector waits for this mutator's boundary.
pub(crate) const YIELD: u8 = 1;
/// Dead objects of this thread wait for their destructors.
pub(crate) const MAIL: u8 = 2;
/// Without marker threads: the cycle wants a step.
pub(crate) const STEP: u8 = 4;
/// The heap is near its limit, or far past its goal: wait for the cycle at the boundary.
pub(crate) const PRESSURE: u8 = 8;

/// It has become Grey: when it enters, it may be the last for whom the cycle waits.
const GREY: u8 = 16;

/// Entries of a barrier buffer before it is looked through, and handed over.
pub(crate) const BUFFER: usize = 256;

/// See the module header.
#[repr(C)]
pub(crate) struct MutatorState {
    /// What every store reads, and writes on its card: made of `command.cycle` and, with `BARRIER`, of the mode.
    pub(crate) stamp: Cell<u8>,
    /// Copy of `command.mode`.
    pub(crate) mode: Cell<Mode>,
    /// Reasons to go to the boundary. Set by anybody, cleared by the mutator's thread and by who adopts for it. Relaxed: a hint; what it
    /// hints at is synchronised by the gate and by locks.
    pub(crate) flags: AtomicU8,
    /// The heap's.
    cards: *const Stamps,
    /// Who owns this state.
    pub(crate) gate: Gate,
    /// Free runs.
    pub(crate) cache: Cache,
    /// The command adopted last.
    pub(crate) command: Cell<Command>,
    /// Its number. Written by the owner of the gate with Release after the adoption; read by the collector with Acquire,
    /// so that what the mutator did before is seen; Relaxed where the reader holds the gate, or looks again when it does.
    pub(crate) acked: AtomicU32,
    /// Traces contents of cells, and holds what barriers shaded until it is handed over.
    pub(crate) tracer: UnsafeCell<Tracer<'static>>,
    /// While it is Grey: what the registry said of other threads when it became so.
    pub(crate) only: Cell<u64>,
    /// Guards that must shade when they end. Not zero at the next boundary: one has leaked, and has not shaded.
    pub(crate) open_guards: Cell<usize>,
    /// Entries of the barrier buffer before it is looked through, and handed over.
    pub(crate) buffer_size: usize,
    /// Weak references made since the last flush.
    pub(crate) new_weak: UnsafeCell<Vec<usize>>,
    /// Free slots of the root table.
    pub(crate) root_slots: UnsafeCell<Vec<crate::root::table::SlotRef>>,
    /// Bytes of short runs that the heap's counters do not know of yet.
    pub(crate) uncharged: Cell<usize>,
    /// Bytes of spans that it is to sweep (`sweep::deferral`).
    pub(crate) sweep_owed: Cell<usize>,
    /// The largest charge since the limit of the heap was last looked at: what may be asked for again. The mutator's alone, inside and outside.
    pub(crate) largest_charge: Cell<usize>,
    /// The size of the heap when the thread last gave way to the background threads. The mutator's alone, inside and outside.
    pub(crate) gave_way_at: Cell<usize>,
    /// Marking owed, in bytes; see `pacer`.
    pub(crate) debt: Cell<i64>,
    /// The thread, which owns the mutator for life.
    pub(crate) thread: ThreadId,
    /// Its number, for types whose destructors run at home.
    pub(crate) thread_token: u64,
    /// How many other mutators the thread has in this heap. Written by its thread, under the registry's lock, before the list of
    /// mutators has another one and after it has one fewer. Relaxed: the thread itself knows, and what others make of it see
    /// `Core::adopt_for`.
    pub(super) mates: AtomicU32,
    /// State of the stress mode's decisions; 0 without stress.
    pub(crate) random: Cell<u64>,
    /// Stands for all that belongs to the owner of the gate.
    owner: Witness,
    core: *const Core,
}

// SAFETY: it may go on any thread: its pointers are used by who has its state (I4) and the heap, and its parts, but for these, are `Send`.
unsafe impl Send for MutatorState {}
// SAFETY: threads share the atomics, and what is not written after `new`. The rest is touched by the owner of the gate only, of whom there
// is one at a time, in an order that the gate makes, or by the mutator's thread only (I4).
unsafe impl Sync for MutatorState {}

impl MutatorState {
    /// The state of a new mutator of the current thread.
    pub(crate) fn new(core: &Core, command: Command, seed: u64) -> Self {
        let state = MutatorState {
            stamp: Cell::new(stamp_of(command.cycle)),
            mode: Cell::new(Mode::Off),
            cards: &raw const *core.cards,
            flags: AtomicU8::new(0),
            gate: Gate::new(),
            cache: Cache::new(core.config.stress.is_none()),
            command: Cell::new(command),
            acked: AtomicU32::new(command.seq),
            tracer: UnsafeCell::new(Tracer::new()),
            only: Cell::new(OTHERS),
            open_guards: Cell::new(0),
            buffer_size: core.config.stress.map_or(BUFFER, |stress| stress.buffer),
            new_weak: UnsafeCell::default(),
            root_slots: UnsafeCell::default(),
            uncharged: Cell::new(0),
            sweep_owed: Cell::new(0),
            largest_charge: Cell::new(0),
            gave_way_at: Cell::new(0),
            debt: Cell::new(0),
            thread: thread::current().id(),
            thread_token: core.mail.register_thread(),
            mates: AtomicU32::new(0),
            random: Cell::new(seed),
            owner: Witness::default(),
            core,
        };
        state.set_command(core, command);
        state
    }

    /// The heap.
    #[inline(always)]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: the core is made in an `Arc`, so it stays where it is; and who calls this has a handle, as a mutator does, or is a
        // background thread inside the heap: so it lives (I10).
        unsafe { &*self.core }
    }

    /// Its cards.
    #[inline(always)]
    pub(crate) fn cards(&self) -> &Stamps {
        // SAFETY: those of the core's `Cards`, they are mapped as long as it lives (I14); and who calls this has a handle or is inside the
        // heap: so it lives (I10).
        unsafe { &*self.cards }
    }

    /// The tracer. For the owner of the gate, who must not use two of these at once.
    #[expect(clippy::mut_from_ref, reason = "one owner at a time, see SAFETY")]
    #[inline(always)]
    pub(crate) fn tracer(&self) -> &mut Tracer<'static> {
        self.owner.write();
        // SAFETY: only the owner of the gate calls this (I4), who uses one at a time. `trace` runs under the borrow, and does not come back
        // here: it gets no `Mutation`, only reads (T2), and to enter or attach there is a panic (T7).
        unsafe { &mut *self.tracer.get() }
    }

    /// The command's mode; a test may set another.
    pub(crate) fn set_mode(&self, mode: Mode) {
        let barrier = if mode == Mode::Off { 0 } else { BARRIER };
        self.stamp.set(stamp_of(self.command.get().cycle) | barrier);
        self.mode.set(mode);
    }

    fn set_command(&self, core: &Core, command: Command) {
        let tracer = self.tracer();
        tracer.scan_id = core.scan_id();
        tracer.meet = match command.mode {
            Mode::Grey | Mode::Off => Meet::Look,
            Mode::Black => Meet::Claim,
            Mode::Insertion => Meet::Force,
        };
        self.command.set(command);
        self.set_mode(command.mode);
        self.only.set(match command.mode {
            Mode::Grey => core.registry.only_thread(self.thread),
            _ => OTHERS,
        });
    }

    /// Takes over the state that the collector asks for. The caller owns the gate; `at_boundary` unless it is at a poll, as
    /// it must be if the command says so.
    pub(crate) fn adopt(&self, core: &Core, command: Command, at_boundary: bool) {
        core.stress_delay(self);
        let before = self.command.get();
        if twin::is(Twin::AnswerBeforeFlush) {
            self.acked.store(command.seq, Ordering::Release);
        }
        if !twin::is(Twin::NoFlush) {
            self.flush(core);
        }
        if at_boundary && !twin::is(Twin::LeakAfterAnswer) {
            core.note_leaked_guards(self);
        }
        let another = if twin::is(Twin::OffToldByEpoch) {
            before.epoch != command.epoch
        } else {
            before.cycle != command.cycle
        };
        let cycle_over = command.mode == Mode::Off && (before.mode != Mode::Off || another);
        if cycle_over && !twin::is(Twin::CacheKeptAtOff) {
            self.release_cache(core);
            self.debt.set(0);
        } else if let Some(black) = command.black()
            && before.black() != Some(black)
            && !twin::is(Twin::NotBlackened)
        {
            self.cache.blacken(black);
        }
        self.set_command(core, command);
        hooks::adopted(self, command);
        self.flags.fetch_and(!(YIELD | GREY), Ordering::Relaxed);
        if command.mode == Mode::Grey {
            self.flags.fetch_or(GREY, Ordering::Relaxed);
        }
        core.stress_delay(self);
        // Release: everything above, the handed-over buffers first, comes before the answer.
        self.acked.store(command.seq, Ordering::Release);
        if at_boundary && twin::is(Twin::LeakAfterAnswer) {
            core.note_leaked_guards(self);
        }
    }

    /// Whether its thread has other mutators in this heap.
    pub(crate) fn has_mates(&self) -> bool {
        self.mates.load(Ordering::Relaxed) != 0
    }

    /// Hands over everything that the collector must know of. For the owner of the gate.
    pub(crate) fn flush(&self, core: &Core) {
        self.flush_edges(core);
        // SAFETY: the caller owns the gate (I4), and `add`, under a lock, takes what is in the list and comes to it by no other way.
        let weak = unsafe { &mut *self.new_weak.get() };
        if !weak.is_empty() && !twin::is(Twin::NewWeakForgotten) {
            core.weak.add(weak);
        }
    }

    /// Hands over what is in the barrier buffer and has not been found.
    pub(crate) fn flush_edges(&self, core: &Core) {
        self.forget_found_edges();
        self.hand_edges_over(core);
    }

    /// Hands over the barrier buffer, which has been looked through.
    pub(crate) fn hand_edges_over(&self, core: &Core) {
        let edges = &mut self.tracer().edges;
        if !edges.is_empty() {
            self.count_handed_over(edges.len());
            core.counters
                .shaded
                .fetch_add(edges.len() as u64, Ordering::Relaxed);
            core.worklist.push_shaded(edges);
            if core.is_stepped() {
                // Nobody else takes them, and stores alone call for no step.
                self.flags.fetch_or(STEP, Ordering::Relaxed);
            }
        }
    }

    /// Gives all spans back.
    pub(crate) fn release_cache(&self, core: &Core) {
        let unused = self.cache.release_all();
        core.recharge(self.uncharged.take(), unused);
    }

    /// A poll: adopts what may be adopted inside.
    pub(crate) fn poll(&self) {
        let core = self.core();
        let command = core.command();
        let new = command.seq != self.command.get().seq;
        let boundary = command.boundary && !twin::is(Twin::PollCountsAsBoundary);
        if new && !boundary && !command.stop {
            self.adopt(core, command, false);
            core.wake();
        }
    }

    /// A poll where a write passes a barrier, before it or when it is over: a program that only stores for a long time keeps no cycle waiting,
    /// nor its own barrier on.
    #[inline(always)]
    pub(crate) fn answer(&self) {
        if self.core().registry.polls_for(self.command.get().seq) {
            self.answer_slowly();
        }
    }

    #[cold]
    #[inline(never)]
    fn answer_slowly(&self) {
        self.poll();
    }

    /// Goes inside.
    #[inline(always)]
    pub(crate) fn enter(&self) {
        if self.flags.load(Ordering::Relaxed) & (MAIL | STEP | GREY) != 0 {
            self.enter_asked();
        }
        if twin::is(Twin::AdoptsUngated) && self.core().command_seq() != self.command.get().seq {
            self.boundary_slow();
        }
        if !self.gate.enter() {
            self.enter_slow();
        }
        self.owner.write();
        // The command is read after the gate was taken, see `gate`.
        if self.core().command_seq() != self.command.get().seq {
            self.boundary_slow();
        }
    }

    /// Outside: what the last boundary, which was left by a panic, has not done; and the next question, if the answer to the last was given for
    /// this mutator, and it comes back before the driver has asked it.
    #[cold]
    #[inline(never)]
    fn enter_asked(&self) {
        let core = self.core();
        if self.flags.fetch_and(!GREY, Ordering::Relaxed) & GREY != 0 {
            while core.answer_next() {}
        }
        if self.flags.load(Ordering::Relaxed) & MAIL != 0 {
            core.run_mail(self);
        }
        if self.flags.fetch_and(!STEP, Ordering::Relaxed) & STEP != 0 {
            core.step_at_boundary(self);
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_slow(&self) {
        let mut backoff = crate::sync::Backoff::default();
        while !self.gate.enter() {
            backoff.wait();
        }
    }

    /// Inside, at a boundary: adopts the command, and waits if all mutators are wanted outside.
    #[cold]
    #[inline(never)]
    fn boundary_slow(&self) {
        let core = self.core();
        loop {
            let command = core.command();
            if command.stop && !twin::is(Twin::EntersDuringStop) && !core.thread_is_inside(self) {
                self.gate.exit();
                core.wait_for_stop_to_end(command.seq);
                self.enter_slow();
                continue;
            }
            let new = command.seq != self.command.get().seq;
            if !new {
                return;
            }
            if command.boundary && core.thread_is_inside(self) {
                // Inside through another mutator, the thread is at no boundary: the command waits until it is.
                self.catch_up(core);
                return;
            }
            self.mates_answer(core, command);
            self.adopt(core, command, true);
            core.wake();
            if !core.answer_next() {
                return;
            }
        }
    }

    /// Takes over the state of the mutator through which the thread is inside already, if that is ahead: it was attached when a
    /// command had been published that this one had not answered, or this one was while a stop went on. All mutators of a
    /// thread must be the same when they are inside, see `barrier` on confined cells.
    fn catch_up(&self, core: &Core) {
        let seq = self.command.get().seq;
        if let Some((command, scan_id)) = core.state_of_thread(self)
            && command.seq.wrapping_sub(seq).cast_signed() > 0
            && !twin::is(Twin::InnerStaysBehind)
        {
            self.adopt(core, command, true);
            self.tracer().scan_id = scan_id;
            core.wake();
        }
    }

    /// The thread is at its boundary: its other mutators answer with this one. All are outside, and nobody else gives the driver
    /// a moment at which it could hold all of them. (One that has adopted a later command, which needs no boundary, goes back to this one for
    /// a moment: the driver, which waits for the answer of `self`, looks at all again after that.)
    fn mates_answer(&self, core: &Core, command: Command) {
        if !self.has_mates() || core.thread_is_inside(self) {
            return;
        }
        core.registry.all(|mate| {
            let other = !core::ptr::eq(mate, self) && mate.thread == self.thread;
            if other && mate.acked.load(Ordering::Relaxed) != command.seq {
                let mut backoff = crate::sync::Backoff::default();
                let holds = !twin::is(Twin::MateNotHeld);
                // The driver holds a gate for moments only.
                while holds && !mate.gate.hold() {
                    backoff.wait();
                }
                if mate.acked.load(Ordering::Relaxed) != command.seq {
                    mate.adopt(core, command, true);
                }
                if holds {
                    mate.gate.release();
                }
            }
            true
        });
    }

    /// Goes outside.
    #[inline(always)]
    pub(crate) fn exit(&self) {
        self.owner.write();
        self.gate.exit();
        if self.flags.load(Ordering::Relaxed) != 0 {
            self.exit_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn exit_slow(&self) {
        let core = self.core();
        // This is the boundary that was asked for, if not the one that was waited for: the driver may have set the flag a moment
        // after the answer, and a program that works only while it need not yield would wait for ever. It sets it again
        // if it must.
        let asked = STEP | PRESSURE | YIELD;
        let flags = self.flags.fetch_and(!asked, Ordering::Relaxed);
        if flags & YIELD != 0 {
            core.wake();
        }
        let due = flags & (STEP | PRESSURE);
        if std::thread::panicking() {
            self.flags.fetch_or(due, Ordering::Relaxed);
            return;
        }
        if due != 0 {
            core.hand_on(self, due);
        }
        if flags & MAIL != 0 {
            core.run_mail(self);
        }
        if flags & STEP != 0 {
            core.step_at_boundary(self);
        }
        if flags & PRESSURE != 0 {
            core.wait_for_cycle_under_pressure(self);
        }
    }

    /// A pseudo-random number for the stress mode (xorshift; Marsaglia 2003).
    pub(crate) fn next_random(&self) -> u64 {
        let mut x = self.random.get() | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        x
    }
}
