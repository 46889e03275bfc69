//! What the collector tells models and asks them: see `sync::hooks`.

use super::barrier;
use super::log::Event;
use super::state;
use crate::cycle::command::{Colour, Command, Mode};
use crate::cycle::core::Phase;
use crate::cycle::mutator::MutatorState;
use crate::cycle::plan::Plan;

/// Atomics made for an execution that `loom::model` runs, see [`Builder::cells`](super::Builder::cells).
pub(super) const CELLS: usize = 64;

pub(crate) fn new_heap(id: u64) -> Option<Plan> {
    if !crate::sync::is_prepared() {
        state::begin(CELLS, false);
    }
    barrier::take_chosen(id)
}

pub(crate) fn allocated(slot: usize) {
    state::allocated(slot);
}

pub(crate) fn freed(object: usize) {
    state::freed(object);
}

pub(crate) fn freed_all(bits: u64, slot: impl Fn(usize) -> usize) {
    (0..64)
        .filter(|bit| bits & 1 << bit != 0)
        .for_each(|bit| state::freed(slot(bit)));
}

pub(crate) fn followed(object: usize) {
    state::must_live(object, "the program follows a pointer to it");
}

pub(crate) fn reached(object: usize) {
    state::switch_point();
    state::log(|e| Event::Reached(e.label(object)));
    state::must_live(object, "a marker finds a pointer to it");
}

pub(crate) fn slot_used() {
    state::switch_point();
}

pub(crate) fn loaded(object: impl FnOnce() -> Option<usize>) {
    if let Some(object) = object() {
        state::log(|e| Event::Loaded(e.label(object)));
    }
}

pub(crate) fn stored(new: impl FnOnce() -> Option<usize>) {
    state::log_store(None, new(), None);
}

pub(crate) fn slot_written(
    state: &MutatorState,
    old: Option<usize>,
    new: Option<usize>,
) -> Option<(bool, bool)> {
    let decided = barrier::decide(state, old, new);
    let mode = state.mode.get();
    let shaded = decided.unwrap_or((mode != Mode::Insertion, mode != Mode::Black));
    state::log_store(old, new, Some(shaded));
    decided
}

pub(crate) fn must_exchange(state: &MutatorState) -> bool {
    barrier::rule_of(state.core().id).is_some()
}

pub(crate) fn phase(phase: Phase) {
    state::with(|e| e.sweeping = phase == Phase::Sweeping);
    state::log(|_| {
        Event::Phase(match phase {
            Phase::Idle => "over",
            Phase::Arming => "barriers go on",
            Phase::Marking => "marking",
            Phase::Terminating => "marking is over",
            Phase::Sweeping => "sweeping",
        })
    });
}

pub(crate) fn adopted(state: &MutatorState, command: Command) {
    let by = state.thread;
    state::log(|_| Event::Adopted {
        by,
        state: match (command.mode, command.colour) {
            (Mode::Off, _) => "barrier off",
            (Mode::Grey, _) => "grey, its new objects white",
            (_, Colour::White) => "barrier on, its new objects white",
            (_, Colour::Early) => "barrier on, its new objects early",
            (_, Colour::Black) => "barrier on, its new objects black",
        },
    });
}
