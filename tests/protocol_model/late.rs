//! Models in which markers hear of stores late. A marker may read what a slot held before, until it has heard of the mutator that has stored to it: by
//! its answer to a handshake (Release and Acquire of `acked`, see `MutatorState::adopt`), by the gate of one that is held, by a lock under which
//! something is handed over, or by another slot, in which it has read what that one stored. The other mutator sees each store at once, and stores
//! nothing itself.
//!
//! This is what an answer is for, of the order in which memory is seen; all the rest of that is loom's.

use crate::state::{Barrier, Config, OBJECTS, State, Twin};
use crate::{BARRIERS, base, is_caught, is_safe};

/// What the slots held when markers last heard of the first mutator.
pub(crate) type Heard = [u8; OBJECTS as usize];

impl State {
    /// Markers hear of all that mutator `i` has done.
    pub(crate) fn hear(&mut self, i: usize) {
        if i == 0 && self.heard.is_some() {
            self.heard = Some(self.field);
        }
    }

    /// What a marker may read in a slot instead of what that holds.
    pub(crate) fn older(&self, object: u8) -> Option<u8> {
        let older = self.heard?[object as usize - 1];
        (older != self.field(object)).then_some(older)
    }
}

/// The first mutator may answer every handshake before the markers start itself.
fn late(barrier: Barrier) -> Config {
    Config {
        late: true,
        enters: [3, 1],
        stores: [2, 0],
        one_start: true,
        ..base(barrier, false)
    }
}

#[test]
fn stores_of_which_markers_hear_late_are_safe() {
    for barrier in BARRIERS {
        is_safe("heard late", late(barrier));
    }
}

/// Under Deletion markers start in a stop, and have heard by the gates.
#[test]
fn twins_of_the_answer_are_caught() {
    for barrier in [Barrier::Insertion, Barrier::Hybrid] {
        is_caught("heard late", late(barrier), Twin::AnswerNotReleased);
    }
}
