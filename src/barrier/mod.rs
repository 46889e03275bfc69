//! The write barriers, as the cells call them. All of it is off the fast path: a store first tests the mutator's mode,
//! one load and a branch that is predicted while no cycle marks.
//!
//! | mode | [slot](MutatorState::slot_written) store | cell access begins | cell access ends |
//! |---|---|---|---|
//! | Grey | shade old; a cell may be claimed: and new | others may be Black, see `window`: shade old contents | the same: shade new contents |
//! | Black | shade old | unscanned: claim, shade old contents, scanned | – |
//! | Insertion | shade new | unscanned: hold busy | scanned: shade new contents; held: unscanned |
//!
//! To *shade* is to put the object's address in the mutator's buffer. Those whose marks say that this cycle has found them are taken out
//! when the buffer is full or is handed over, so that a store waits for no mark: of most words that a store overwrites the line of the
//! mark is in no cache, and whether it is set cannot be predicted. Only markers set marks (and a weak upgrade of what has no pointers,
//! which has nothing to scan). Contents are shaded through their own `trace`.
//!
//! What a Grey mutator need not do, and why: `window`.
//!
//! Why these keep every object: `claim` for one cell, `cycle` for the whole.

use crate::barrier::cards::BARRIER;
use crate::cell::claim::ScanWord;
use crate::cycle::command::Mode;
use crate::cycle::mutator::MutatorState;
use crate::gc::Gc;
use crate::heap::layout::mark_address;
use crate::heap::prefetch;
use crate::heap::span::mark_of;
use crate::mark::tracer::Tracer;
use crate::mutator::Mutation;
use crate::panic::contain;
use crate::sync::atomic::Ordering;
use crate::sync::hooks;
use crate::sync::planted::{Planted, strikes};
use crate::sync::thread;
use crate::sync::twin::{self, Twin};
use crate::user_code::UserCodeScope;

pub(crate) mod cards;
#[cfg(test)]
mod tests;
pub(crate) mod window;

/// What the end of a write access to a cell must do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum AtEnd {
    /// Nothing.
    Nothing,
    /// Shade the new contents (Grey).
    ShadeGrey,
    /// Shade the new contents (Insertion, the cell has been scanned).
    Shade,
    /// Leave the cell to the marker (Insertion, the cell is held).
    Release,
}

impl MutatorState {
    /// The cell at `address` is written, or may be until the next boundary: stamps its card, for minor cycles, see `cards`. Whether
    /// that takes a barrier, too.
    #[inline(always)]
    pub(crate) fn write_begins(&self, address: usize) -> bool {
        // Stores go to memory one after the other. So that the lines of several that miss the caches come at once.
        prefetch::to_write(address);
        let stamp = self.stamp.get();
        if !twin::is(Twin::WriteNotStamped) {
            self.cards().stamp(address, stamp);
        }
        stamp & BARRIER != 0
    }

    /// Whether stores must do more than store.
    #[inline(always)]
    pub(crate) fn barrier_on(&self) -> bool {
        self.stamp.get() & BARRIER != 0
    }

    /// Whether a write to a cell needs no barrier although one is on.
    #[inline(always)]
    pub(crate) fn needs_nothing<const CONFINED: bool>(&self, word: &ScanWord) -> bool {
        let mode = self.mode.get();
        // Ahead of the others: it is what a store finds all through marking, and a `match` would jump by a table.
        if mode == Mode::Black {
            return word.is_scanned(self.tracer().scan_id);
        }
        match mode {
            Mode::Insertion if twin::is(Twin::InsertionNeedsNothing) => {
                word.is_scanned(self.tracer().scan_id)
            }
            Mode::Grey => self.grey_needs_nothing(CONFINED, word),
            _ => false,
        }
    }

    /// Hands an object to the markers, unless this cycle has found it by the time that the buffer is looked through.
    ///
    /// # Safety
    /// `object` is the address of an object that lives.
    #[inline(always)]
    pub(crate) unsafe fn shade(&self, object: usize) {
        let edges = &mut self.tracer().edges;
        // The second condition spares `push` its own slow path.
        if edges.len() + 1 < self.buffer_size && edges.len() < edges.capacity() {
            edges.push(object);
        } else {
            self.shade_slowly(object);
        }
    }

    #[cold]
    #[inline(never)]
    fn shade_slowly(&self, object: usize) {
        let edges = &mut self.tracer().edges;
        edges.push(object);
        if edges.len() >= self.buffer_size {
            self.buffer_is_full();
        }
    }

    /// Makes room in the buffer: hands it over unless most of it can be forgotten.
    fn buffer_is_full(&self) {
        self.forget_found_edges();
        if self.tracer().edges.len() > self.buffer_size / 2 {
            self.hand_edges_over(self.core());
        }
    }

    /// Takes out of the buffer what this cycle has found.
    pub(crate) fn forget_found_edges(&self) {
        /// How far ahead marks are loaded.
        const AHEAD: usize = 16;
        let command = self.command.get();
        let buffer = &mut self.tracer().edges;
        let edges = &mut buffer[..];
        let mut kept = 0;
        for index in 0..edges.len() {
            if let Some(&later) = edges.get(index + AHEAD) {
                prefetch::to_read(mark_address(later));
            }
            let edge = edges[index];
            // SAFETY: it lived when it was shaded (the contract of `shade`; what contents lead to lives, I2), and no sweep has begun since:
            // one begins once this mutator has adopted *off* (I6), before which its buffer is emptied (`adopt`). So it has its slot (I1), in
            // a mapped chunk (I12).
            let mark = unsafe { mark_of(edge) };
            // Relaxed: a mark that is not seen costs an edge too many.
            let found = command.has_found(mark.load(Ordering::Relaxed));
            // Not a branch: it could not be predicted.
            edges[kept] = edge;
            kept += usize::from(!found && !strikes(Planted::DropsShades));
        }
        buffer.truncate(kept);
    }

    /// Whether a store to a slot may read what it overwrites by a load of its own, see `cell::slot`.
    #[inline(always)]
    pub(crate) fn may_load_then_store(&self) -> bool {
        if hooks::must_exchange(self) {
            return false;
        }
        match self.mode.get() {
            // Only before T2 does a command to be Black ask for a boundary.
            Mode::Black => !self.command.get().boundary,
            Mode::Insertion => true,
            Mode::Grey | Mode::Off => false,
        }
    }

    /// A slot's word was replaced: shades the objects of the old and the new word as the mode says. Then polls.
    ///
    /// # Safety
    /// As [`shade`](Self::shade), for both objects.
    #[inline]
    pub(crate) unsafe fn slot_written(&self, old: Option<usize>, new: Option<usize>) {
        if twin::is(Twin::NoBarrier) {
            return;
        }
        if twin::is(Twin::PollsBeforeShade) {
            // loom would not find this point by itself: who gives a command has read the last one just before.
            thread::yield_now();
            self.poll();
        }
        let mode = self.mode.get();
        if mode == Mode::Grey && self.grey_store_needs_nothing() {
            return self.answer();
        }
        let (shade_old, shade_new) = hooks::slot_written(self, old, new)
            .unwrap_or_else(|| (mode != Mode::Insertion, self.shades_new(mode)));
        // SAFETY: it gets the two objects, which live (I1), by the caller's contract.
        let shade = |object| unsafe { self.shade(object) };
        if shade_old
            && !twin::is(Twin::OldNotShaded)
            && let Some(old) = old
        {
            shade(old);
        }
        if shade_new
            && !twin::is(Twin::NewNotShaded)
            && let Some(new) = new
        {
            shade(new);
        }
        self.answer();
    }

    /// Whether a store to a slot shades what it stores.
    #[inline]
    fn shades_new(&self, mode: Mode) -> bool {
        match mode {
            Mode::Insertion => true,
            Mode::Grey => self.core().window.is_claimed(),
            Mode::Black | Mode::Off => false,
        }
    }

    /// Traces contents into the buffer; how many edges. A panic of `trace` abandons the cycle: a marker may have skipped the cell.
    fn shade_contents(&self, trace: impl FnOnce(&mut Tracer<'static>)) -> usize {
        struct Abandon<'a>(&'a MutatorState);
        impl Drop for Abandon<'_> {
            fn drop(&mut self) {
                if !twin::is(Twin::BarrierPanicForgotten) {
                    self.0.core().abandon_cycle(None);
                }
            }
        }
        let abandon = Abandon(self);
        let before = self.tracer().edges.len();
        // The tracer is in use: what `trace` runs must not come back here.
        let scope = UserCodeScope::new(self.core().id);
        trace(self.tracer());
        drop(scope);
        core::mem::forget(abandon);
        if twin::is(Twin::ClaimNotTraced) {
            self.tracer().edges.truncate(before);
        }
        let after = self.tracer().edges.len();
        if after >= self.buffer_size {
            self.buffer_is_full();
        }
        after - before
    }

    /// A write access to a cell begins; `trace` traces its contents. The caller is the cell's only writer until it
    /// passes the result to [`cell_write_ends`](Self::cell_write_ends).
    #[cold]
    #[inline(never)]
    pub(crate) fn cell_write_begins(
        &self,
        word: &ScanWord,
        trace: impl FnOnce(&mut Tracer<'static>),
    ) -> AtEnd {
        self.answer();
        let id = self.tracer().scan_id;
        match self.mode.get() {
            Mode::Off => AtEnd::Nothing,
            _ if twin::is(Twin::NoClaim) || strikes(Planted::SkipsClaims) => AtEnd::Nothing,
            Mode::Grey if !twin::is(Twin::GreyClaims) => {
                self.shade_grey(|| self.shade_contents(trace));
                AtEnd::ShadeGrey
            }
            Mode::Grey | Mode::Black => {
                if self.command.get().boundary {
                    self.core().window.claims();
                }
                if word.claim(id) {
                    self.core().stress_delay(self);
                    if twin::is(Twin::PollsInClaim) {
                        // As above.
                        thread::yield_now();
                        self.poll();
                    }
                    let unclaim = Unclaim(word);
                    let _ = self.shade_contents(trace);
                    core::mem::forget(unclaim);
                    word.scanned(id);
                }
                AtEnd::Nothing
            }
            Mode::Insertion if word.claim(id) => {
                self.core().stress_delay(self);
                AtEnd::Release
            }
            Mode::Insertion => AtEnd::Shade,
        }
    }

    /// As [`shade_contents`](Self::shade_contents), in a destructor: one that runs in an unwinding must not panic.
    fn shade_at_end(&self, trace: impl FnOnce(&mut Tracer<'static>)) -> usize {
        if !std::thread::panicking() {
            return self.shade_contents(trace);
        }
        contain(|| self.shade_contents(trace)).unwrap_or_else(|panic| {
            self.core().abandon_cycle(Some(panic));
            0
        })
    }

    /// A write access to a cell ends.
    #[cold]
    #[inline(never)]
    pub(crate) fn cell_write_ends(
        &self,
        word: &ScanWord,
        at_end: AtEnd,
        trace: impl FnOnce(&mut Tracer<'static>),
    ) {
        match at_end {
            AtEnd::Nothing => {}
            _ if twin::is(Twin::EndNotShaded) => {}
            AtEnd::ShadeGrey => {
                if self.shades_grey_end() {
                    self.shade_grey(|| self.shade_at_end(trace));
                }
            }
            AtEnd::Shade => {
                // The mode may have gone to Off at a poll; then there is nothing left to shade for.
                if self.barrier_on() {
                    let _ = self.shade_at_end(trace);
                }
            }
            AtEnd::Release => word.unscanned(),
        }
    }

    /// A guard that must shade when it ends begins (`1`) or ends (`-1`): see [`MutatorState::open_guards`].
    pub(crate) fn count_guard(&self, at_end: AtEnd, change: isize) {
        if matches!(at_end, AtEnd::ShadeGrey | AtEnd::Shade) {
            self.open_guards
                .set(self.open_guards.get().wrapping_add_signed(change));
        }
    }
}

impl<'gc> Mutation<'gc> {
    /// A pointer came into this mutator's hands, or into a root, from where no barrier watches: shades it.
    #[inline]
    pub(crate) fn shade_if_on<T: ?Sized>(&self, object: Gc<'gc, T>) {
        if self.state().barrier_on() {
            // SAFETY: a `Gc` of this heap is on the caller's stack, so its object lives (I2).
            unsafe { self.state().shade(object.address()) };
        }
    }
}

/// Gives a cell back if `trace` panics.
struct Unclaim<'a>(&'a ScanWord);

impl Drop for Unclaim<'_> {
    fn drop(&mut self) {
        self.0.unscanned();
    }
}
