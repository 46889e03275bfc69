//! Barriers of the user's: what a store to a slot shades, on the cycle of a shipped barrier or on a changed one.

use core::cell::RefCell;
use std::sync::Arc;

use super::state;
use crate::collector::Heap;
use crate::config::Barrier;
use crate::cycle::command::{Colour, Mode};
use crate::cycle::mutator::MutatorState;
use crate::cycle::plan::{self, Plan};
use crate::heap::span::mark_of;
use crate::sync::atomic::Ordering;

/// A write barrier for slots: decides at each store to a [`GcSlot`](crate::GcSlot), while a cycle marks, which
/// targets are shaded.
///
/// [`Barrier`] implements it: that is the shipped code. The cells with claims, roots and weak references do what the
/// base of the [`Skeleton`] says.
///
/// ```
/// use tricolor_gc::Barrier;
/// use tricolor_gc::model::{Shade, Skeleton, Store, WriteBarrier, hide_by_delete};
///
/// /// Shades nothing.
/// #[derive(Clone)]
/// struct Nothing;
///
/// impl WriteBarrier for Nothing {
///     fn skeleton(&self) -> Skeleton {
///         Skeleton::of(Barrier::Insertion)
///     }
///     fn shade(&self, _: &Store) -> Shade {
///         Shade::NOTHING
///     }
/// }
///
/// assert!(hide_by_delete(&Barrier::Insertion).is_ok());
/// let report = hide_by_delete(&Nothing);
/// assert!(report.violation().unwrap().contains("`hidden` was freed"));
/// ```
pub trait WriteBarrier: Clone + Send + Sync + 'static {
    /// The cycle that it runs on.
    fn skeleton(&self) -> Skeleton;

    /// What a store shades. Called after the exchange, and only while the mutator's barrier is on.
    fn shade(&self, store: &Store) -> Shade;

    /// The shipped barrier that this is: its code is then run instead of `shade`.
    #[doc(hidden)]
    fn shipped(&self) -> Option<Barrier> {
        None
    }
}

impl WriteBarrier for Barrier {
    fn skeleton(&self) -> Skeleton {
        Skeleton::of(*self)
    }

    fn shade(&self, store: &Store) -> Shade {
        match (self, store.stack) {
            (Barrier::Insertion, _) => Shade::NEW,
            (Barrier::Deletion, _) | (Barrier::Hybrid, Stack::Black) => Shade::OLD,
            // The shipped code spares itself the new one where a marker will come to it, see `barrier::window`.
            (Barrier::Hybrid, Stack::Grey) => Shade::BOTH,
            (Barrier::StopTheWorld, _) => Shade::NOTHING,
        }
    }

    fn shipped(&self) -> Option<Barrier> {
        Some(*self)
    }
}

/// A store to a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Store {
    /// The mutator's stack.
    pub stack: Stack,
    /// What the slot pointed to.
    pub old: Target,
    /// What it points to now.
    pub new: Target,
}

/// What a mutator's stack may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stack {
    /// Pointers that nobody has shaded: between the two handshakes of an arming by two, and always under an insertion
    /// barrier.
    Grey,
    /// Only what is shaded, or was reachable when marking began.
    Black,
}

/// What a slot points to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Nothing.
    Null,
    /// An object that no marker has found yet.
    Unmarked,
    /// An object that a marker has found.
    Marked,
}

/// What a store shades. To shade null, or what is marked already, is nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shade {
    /// What the slot pointed to.
    pub old: bool,
    /// What it points to now.
    pub new: bool,
}

impl Shade {
    /// Neither.
    pub const NOTHING: Shade = Shade {
        old: false,
        new: false,
    };
    /// What is overwritten.
    pub const OLD: Shade = Shade {
        old: true,
        new: false,
    };
    /// What is stored.
    pub const NEW: Shade = Shade {
        old: false,
        new: true,
    };
    /// Both.
    pub const BOTH: Shade = Shade {
        old: true,
        new: true,
    };
}

/// How barriers go on when a cycle begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arming {
    /// By one handshake: each mutator at a boundary of its own.
    Handshake,
    /// By two: each mutator's stack is grey until it has passed a boundary after all barriers were on.
    TwoHandshakes,
    /// With all mutators outside.
    Stop,
}

/// How marking ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// When a round of all mutators' buffers brought nothing.
    Rounds,
    /// As `Rounds`, and then once more with all mutators outside.
    Stop,
}

/// The colour of objects made while a cycle marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewObjects {
    /// Not marked: they live if they are found.
    White,
    /// Marked.
    Black,
}

/// The cycle that a barrier runs on: a shipped one, or a change of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Skeleton {
    base: Barrier,
    plan: Plan,
}

impl Skeleton {
    /// The cycle of a shipped barrier.
    pub const fn of(barrier: Barrier) -> Self {
        Skeleton {
            base: barrier,
            plan: Plan::of(barrier),
        }
    }

    /// Arms otherwise.
    pub const fn arming(mut self, arming: Arming) -> Self {
        self.plan.arming = match arming {
            Arming::Handshake => plan::Arming::Handshake,
            Arming::TwoHandshakes => plan::Arming::TwoHandshakes,
            Arming::Stop => plan::Arming::Stop,
        };
        self
    }

    /// Ends otherwise.
    pub const fn ending(mut self, ending: Ending) -> Self {
        self.plan.ends_in_stop = matches!(ending, Ending::Stop);
        self
    }

    /// Colours new objects otherwise.
    pub const fn new_objects(mut self, colour: NewObjects) -> Self {
        self.plan.colour = match colour {
            NewObjects::White => Colour::White,
            NewObjects::Black => Colour::Black,
        };
        self
    }
}

/// A barrier whose type is forgotten.
pub(super) type Rule = dyn Fn(&Store) -> Shade + Send + Sync;

std::thread_local! {
    /// The barrier of the heap that is about to be made.
    static CHOSEN: RefCell<Option<(Plan, Arc<Rule>)>> = const { RefCell::new(None) };
}

/// A heap with a barrier of the user's.
///
/// # Safety
/// The barrier keeps every object that the program can reach. Or the program makes no object after one has been freed too early, and
/// keeps no reference into an object while other threads run: if the barrier is wrong, so is the heap, and an object may be freed to which
/// the program still has a pointer. A model reports that when the pointer is followed, as long as no new object has taken the slot; from
/// then on the behaviour of the program that is checked is undefined.
pub unsafe fn heap_with_barrier(barrier: &impl WriteBarrier) -> Heap {
    heap_with(barrier)
}

pub(super) fn heap_with(barrier: &impl WriteBarrier) -> Heap {
    if let Some(shipped) = barrier.shipped() {
        return super::heap(shipped);
    }
    let skeleton = barrier.skeleton();
    let barrier = barrier.clone();
    let rule: Arc<Rule> = Arc::new(move |store: &Store| barrier.shade(store));
    CHOSEN.set(Some((skeleton.plan, rule)));
    super::heap(skeleton.base)
}

/// The plan of the heap that is being made, and its barrier from now on.
pub(super) fn take_chosen(id: u64) -> Option<Plan> {
    let (plan, rule) = CHOSEN.take()?;
    state::with(|e| e.rules.push((id, rule)));
    Some(plan)
}

/// The user's barrier of a heap.
pub(super) fn rule_of(heap: u64) -> Option<Arc<Rule>> {
    let rule = state::with(|e| {
        let found = e.rules.iter().find(|(id, _)| *id == heap);
        found.map(|(_, rule)| rule.clone())
    });
    rule.flatten()
}

/// What the user's barrier, if the heap has one, says to shade.
pub(super) fn decide(
    state: &MutatorState,
    old: Option<usize>,
    new: Option<usize>,
) -> Option<(bool, bool)> {
    let rule = rule_of(state.core().id)?;
    let command = state.command.get();
    let target = |object: Option<usize>| match object {
        None => Target::Null,
        Some(object) => {
            // SAFETY: the program has just stored the object's address, or overwritten it: the object lives (I2), so its slot is not free (I1),
            // and its chunk is mapped (I12). Where the barrier is wrong, that is for the caller of `heap_with_barrier` to know; the few
            // objects of a scenario lie in one chunk with those of its roots.
            let mark = unsafe { mark_of(object) };
            // Relaxed: as in `MutatorState::shade`.
            if command.has_found(mark.load(Ordering::Relaxed)) {
                Target::Marked
            } else {
                Target::Unmarked
            }
        }
    };
    let shade = rule(&Store {
        stack: match state.mode.get() {
            Mode::Grey | Mode::Insertion => Stack::Grey,
            Mode::Black | Mode::Off => Stack::Black,
        },
        old: target(old),
        new: target(new),
    });
    Some((shade.old, shade.new))
}
