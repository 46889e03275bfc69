//! What the collector tells models of users' programs (`model`), and asks them. Outside `cfg(tricolor_loom)` there
//! are none: the functions are empty and the answers constants.

/// Whether heaps may start threads of their own. In a model they may not: a program says which thread collects.
#[cfg(not(tricolor_loom))]
pub(crate) const BACKGROUND_THREADS: bool = true;

#[cfg(tricolor_loom)]
pub(crate) const BACKGROUND_THREADS: bool = false;

#[cfg(not(tricolor_loom))]
mod none {
    use crate::cycle::command::Command;
    use crate::cycle::core::Phase;
    use crate::cycle::mutator::MutatorState;
    use crate::cycle::plan::Plan;

    /// A heap is about to be made; the plan of its cycles, if it is not that of its barrier.
    #[inline(always)]
    pub(crate) fn new_heap(_id: u64) -> Option<Plan> {
        None
    }

    /// An object is about to be made at `slot`.
    #[inline(always)]
    pub(crate) fn allocated(_slot: usize) {}

    /// An object is dead, and about to be dropped.
    #[inline(always)]
    pub(crate) fn freed(_object: usize) {}

    /// The objects in these slots are dead; they have no destructors.
    #[inline(always)]
    pub(crate) fn freed_all(_bits: u64, _slot: impl Fn(usize) -> usize) {}

    /// A program follows a pointer to `object`.
    #[inline(always)]
    pub(crate) fn followed(_object: usize) {}

    /// A marker is about to look at `object`.
    #[inline(always)]
    pub(crate) fn reached(_object: usize) {}

    /// A program is about to read or write a slot.
    #[inline(always)]
    pub(crate) fn slot_used() {}

    /// A slot was read.
    #[inline(always)]
    pub(crate) fn loaded(_object: impl FnOnce() -> Option<usize>) {}

    /// A slot is written, with the barrier off.
    #[inline(always)]
    pub(crate) fn stored(_new: impl FnOnce() -> Option<usize>) {}

    /// A slot was written: whether to shade the old and the new target, if the mode does not say so.
    #[inline(always)]
    pub(crate) fn slot_written(
        _state: &MutatorState,
        _old: Option<usize>,
        _new: Option<usize>,
    ) -> Option<(bool, bool)> {
        None
    }

    /// Whether a store to a slot must be an exchange whatever the mode: the heap's barrier is not known to do without.
    #[inline(always)]
    pub(crate) fn must_exchange(_state: &MutatorState) -> bool {
        false
    }

    /// A cycle goes on to its next phase.
    #[inline(always)]
    pub(crate) fn phase(_phase: Phase) {}

    /// A mutator has adopted a command.
    #[inline(always)]
    pub(crate) fn adopted(_state: &MutatorState, _command: Command) {}
}

#[cfg(not(tricolor_loom))]
pub(crate) use none::*;

#[cfg(tricolor_loom)]
pub(crate) use crate::model::hooks::*;
