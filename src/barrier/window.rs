//! Hybrid's *window*: the time in which a mutator is Grey, and what it then need not do.
//!
//! A Grey mutator sets no claim, and what is in a cell is known to the cell's `trace` only. So a write access that needs a barrier traces the
//! contents when it begins and when it ends, again and again: a table of a hundred thousand entries that is written a thousand times in one
//! `enter` would take minutes. And as no marker is at work, what is shaded stays where it is, and may be shaded again by each store to a slot.
//! Three things see to it that there is little of that; and two spare the markers what is made meanwhile.
//!
//! **1. While nobody is Black** cells need nothing: as long as the command in force is the one that made the mutator Grey, or no other thread has
//! had a mutator since, and the cell is not scanned. Nothing is protected by then, nor need be. Every Black stack will be filled later, from the heap;
//! nobody has claimed a cell in this cycle; and markers start after T2, from the roots of then, and come to every object that is reachable.
//! So what was deleted is on Grey stacks only, which are gone by T2, and what they store is found where it is by the
//! claim of a Black mutator, or by a marker, or is shaded (5). Under a lock, "nobody is Black" is true of all who have looked at the cell before: whoever was Black then had
//! read the next command, and this mutator has the lock after him, and reads it too. (A guard that is taken meanwhile may live on. The cell is
//! locked, or its thread's own, while it does: nobody claims it, or what it lies in, and looks at it only afterwards. If it leaks, it is of a cell
//! that stays locked and is not written any more, and a marker reads it.)
//!
//! **2. Confined cells** need nothing either when others may be Black, as long as no Grey mutator has since begun to write to a *shared* cell. A
//! cell that is not `Sync` is used by one thread at a time: an object that holds it is not `Sync` either, so no other thread has a pointer to it; a
//! value that holds it can change threads only by way of a shared cell that gives access to it to one thread at a time, which is a write access.
//! All mutators of a thread turn Black at boundaries of the *thread*, or when they are entered inside one that is (see `MutatorState::boundary_slow`).
//! So (a) what is deleted from the cell has been in the hands of its own thread only, which has an empty stack before it turns Black; and (b) no Black
//! mutator has claimed the cell, or one that it lies in, so a marker will scan it. Once a Grey mutator has had a shared cell, (b) does not hold: a
//! Black one may have claimed that, and all cells in it. Such a cell is scanned wherever it goes; a new one in it is not, but no marker comes to it.
//! From then on confined cells are as shared ones, and so they are when a Grey mutator has written to one that is scanned (which it can have from a
//! type of the program's own that says that it is `Sync`); (a) holds still, for that access has shaded what was there. (Under Insertion a new cell in a
//! scanned one is claimed, and traced, where the access to that one ends.)
//!
//! **3. The cycle arms again**, by a stop, when Grey mutators have shaded [`MUCH`] in spite of that, or have traced for as long, as it does when one
//! leaks a guard. (Stores to slots count for little: what they shade is thinned out in the worklist.) They decide that before they turn Black, and T2
//! does not come without them. In the stop all stacks are empty, the claims of before mean nothing (the
//! scan id is another), and what counts as the snapshot is the heap of that moment: so neither cells nor slots need anything from the decision on. It
//! costs the others a wait for the longest `enter` that is under way, as Deletion's stop does in each cycle.
//!
//! **4. New objects of a Grey mutator are white**, and in no buffer, as if the cycle had not begun for it: its stack is empty before T2. What it has stored
//! by then is in the heap, for the markers to find, or shaded: by its store, or by who took it out. What it has not is garbage, which this cycle
//! frees: of two threads that build a tree in each `enter`, a tree was kept in each cycle, and marked. A Black mutator may be inside at T2, with what
//! it has made since it became so on its stack alone: that is *early*.
//! An early object lives through the cycle as if it were black, and is scanned, as if it were white, if a marker comes to it. If none does, all that it
//! points to comes from Black stacks, and is safe as what these hold is, or has been shaded: a Grey mutator that has stored into it has it from a slot or
//! a shared cell. Where a marker looks it was there at T2, or taken from there by a barrier that shades it. Where none does a Black mutator has claimed a
//! cell, and then the Grey one shades what it stores (5, and the end of an access to a shared cell). Or it has it from a root, which shades it; or from a
//! weak upgrade, which does, for to barriers an early object is not found.
//!
//! **5. A store to a slot** shades what it overwrites, and what it stores only if a Black mutator has claimed a cell in this cycle: where else the
//! slot may be, a marker comes to it after T2. Who stores to a slot in a claimed cell has come by it after the claim, by what the claimer did afterwards (a
//! reference from before would have kept it out of the cell); so it knows of it. What it stores into a tree of its own was shaded once, and the tree marked.

use crate::cell::claim::ScanWord;
use crate::config::StressConfig;
use crate::cycle::command::Mode;
use crate::cycle::mutator::MutatorState;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::now;
use crate::sync::plain;
use crate::sync::twin::{self, Twin};

/// Edges that Grey mutators shade in cells before the cycle arms again, or the time for as many: some milliseconds.
const MUCH: usize = 1 << 16;
const LITTLE: usize = 16;

/// Nanoseconds that count as an edge, where there are fewer.
const EDGE: usize = 64;

/// Edges shaded in slots that count as one. They cost little, as long as not too many wait for the markers.
const STORES: usize = 64;

/// See the module header. Of the cycle that arms, if one does.
pub(crate) struct Window {
    /// The cycle must arm by a stop. Relaxed: set by a Grey mutator, or at the boundary of one, before it answers, and read by the driver after that.
    /// Grey mutators, too, read what was set since the cycle began, for they have adopted a command of it; it is taken back when nobody is Grey.
    arms_again: AtomicBool,
    /// A Grey mutator has begun to write to a shared cell when others might be Black, or to one that is scanned. Relaxed: who has a value from there by way of another
    /// thread has it by a shared cell as well.
    shared: plain::AtomicBool,
    /// A Black mutator has claimed a cell before T2. Relaxed: who stores to a slot in that cell has come by it after the claim, by way of the cell.
    claimed: plain::AtomicBool,
    /// Edges shaded in cells, and some of those in slots. Relaxed, as the next: no data hangs on it, and some may be lost.
    shaded: plain::AtomicUsize,
    /// How many are too many.
    pub(crate) much: plain::AtomicUsize,
}

impl Window {
    /// In the stress mode, with half of the seeds, little is too much.
    pub(crate) fn new(stress: Option<StressConfig>) -> Self {
        let little = stress.is_some_and(|stress| stress.seed & 2 != 0);
        Window {
            arms_again: AtomicBool::new(false),
            shared: plain::AtomicBool::new(false),
            claimed: plain::AtomicBool::new(false),
            shaded: plain::AtomicUsize::new(0),
            much: plain::AtomicUsize::new(if little { LITTLE } else { MUCH }),
        }
    }

    /// A cycle begins, nobody is Grey.
    pub(crate) fn begin(&self) {
        self.arms_again.store(false, Ordering::Relaxed);
        self.shared.store(false, Ordering::Relaxed);
        self.shaded.store(0, Ordering::Relaxed);
        self.claimed.store(false, Ordering::Relaxed);
    }

    /// Something has been stored, or deleted, that no barrier has seen.
    pub(crate) fn arm_again(&self) {
        self.arms_again.store(true, Ordering::Relaxed);
    }

    /// Everybody has answered, nobody is Grey: whether the cycle arms again. Then it does, once.
    pub(crate) fn takes_second_arming(&self) -> bool {
        self.arms_again.swap(false, Ordering::Relaxed)
    }

    /// A Black mutator claims a cell before T2.
    pub(crate) fn claims(&self) {
        if !self.is_claimed() && !twin::is(Twin::ClaimNotSaid) {
            self.claimed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether one has.
    #[inline(always)]
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Relaxed)
    }

    fn count(&self, edges: usize) {
        let shaded = self.shaded.load(Ordering::Relaxed).saturating_add(edges);
        self.shaded.store(shaded, Ordering::Relaxed);
        if shaded > self.much.load(Ordering::Relaxed) {
            self.arm_again();
        }
    }
}

impl MutatorState {
    /// Grey: whether nobody can be Black: the next command has not been given, or no other thread is there to adopt it.
    #[inline(always)]
    pub(crate) fn none_is_black(&self) -> bool {
        let registry = &self.core().registry;
        registry.command_seq() == self.command.get().seq
            || registry.none_attached_since(self.only.get())
    }

    /// Grey: whether a write to a cell, to which the caller has access, needs no barrier.
    #[inline(never)]
    pub(super) fn grey_needs_nothing(&self, confined: bool, word: &ScanWord) -> bool {
        let window = &self.core().window;
        if !self.none_is_black() {
            if window.arms_again.load(Ordering::Relaxed) {
                return true;
            }
            let shared = window.shared.load(Ordering::Relaxed);
            if !confined && !shared {
                window.shared.store(true, Ordering::Relaxed);
            }
            let needs_nothing = if confined {
                !shared || twin::is(Twin::GreyNeedsNothing)
            } else {
                twin::is(Twin::SharedNeedsNothing)
            };
            if !needs_nothing {
                return false;
            }
        }
        // Whoever has what a Black mutator has claimed does not read the old number here.
        let scanned = word.is_scanned(self.tracer().scan_id);
        if scanned {
            // It comes from a shared cell, by whatever way: so may others.
            window.shared.store(true, Ordering::Relaxed);
        }
        !scanned
    }

    /// Grey: whether a store to a slot needs no barrier.
    #[inline(always)]
    pub(super) fn grey_store_needs_nothing(&self) -> bool {
        self.core().window.arms_again.load(Ordering::Relaxed)
    }

    /// So many edges go to the worklist, most of which stores to slots have shaded, if the mutator is Grey.
    pub(crate) fn count_handed_over(&self, edges: usize) {
        if self.mode.get() == Mode::Grey {
            self.core().window.count(edges.div_ceil(STORES));
        }
    }

    /// Grey: `shade` shades what is in a cell, and says how many edges. A table may have few, and take long; what mutators do that drive cycles
    /// themselves is to repeat, without a clock.
    pub(super) fn shade_grey(&self, shade: impl FnOnce() -> usize) {
        let core = self.core();
        let began = (!core.is_stepped()).then(now);
        let edges = shade();
        let time = began.map_or(0, |began| (now() - began).as_nanos() as usize / EDGE);
        core.window.count(edges.max(time).max(1));
    }

    /// Whether a write access that began in Grey mode must still shade when it ends. (No poll leads out of that mode.)
    pub(super) fn shades_grey_end(&self) -> bool {
        !self.core().window.arms_again.load(Ordering::Relaxed)
    }
}
