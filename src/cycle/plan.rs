//! What the barriers do differently in a cycle, as one value that the driver goes by.
//!
//! | | arming | mode while marking | new objects then | ends in a stop |
//! |---|---|---|---|---|
//! | Hybrid | two handshakes (the first to Grey) | Black | black | no |
//! | Deletion | a stop | Black | black | no |
//! | Insertion | one handshake | Insertion | white | yes |
//! | StopTheWorld | – | Off | white | – |
//!
//! Models of other barriers (`model::WriteBarrier`) run on plans of their own.

use super::command::{Colour, Mode};
use crate::config::Barrier;

/// How barriers go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arming {
    /// By one handshake.
    Handshake,
    /// By two, the first of which makes mutators Grey.
    TwoHandshakes,
    /// In a stop.
    Stop,
    /// Not at all: the whole marking is done in a stop.
    MarkInStop,
}

/// See the module header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) arming: Arming,
    /// The mode of mutators while markers are at work.
    pub(crate) mode: Mode,
    /// The colour of new objects then.
    pub(crate) colour: Colour,
    /// Whether the last look at the worklist is taken with all mutators outside.
    pub(crate) ends_in_stop: bool,
}

impl Plan {
    /// The plan of a barrier.
    pub(crate) const fn of(barrier: Barrier) -> Plan {
        let (arming, mode, colour, ends_in_stop) = match barrier {
            Barrier::Hybrid => (Arming::TwoHandshakes, Mode::Black, Colour::Black, false),
            Barrier::Deletion => (Arming::Stop, Mode::Black, Colour::Black, false),
            Barrier::Insertion => (Arming::Handshake, Mode::Insertion, Colour::White, true),
            Barrier::StopTheWorld => (Arming::MarkInStop, Mode::Off, Colour::White, false),
        };
        Plan {
            arming,
            mode,
            colour,
            ends_in_stop,
        }
    }
}
