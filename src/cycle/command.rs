//! What the collector asks of mutators, in one word.
//!
//! The cycle driver publishes a *command*: the state that every mutator is to be in (barrier mode, allocation colour,
//! epoch) and a sequence number. A mutator *adopts* it, all of it at once, and writes the number to its
//! `acked` word. A command says the whole state, not a change, so a mutator that missed one is right after the next.
//!
//! | command | mode | allocation | where it may be adopted |
//! |---|---|---|---|
//! | arm, Hybrid, first | Grey | white | at a boundary |
//! | arm, Hybrid, second | Black | early | at a boundary |
//! | mark, Hybrid and Deletion | Black | black | anywhere |
//! | arm, Insertion | Insertion | white | at a boundary |
//! | flush | as before | as before | anywhere |
//! | marking is over, Insertion | Insertion | black | held by a stop |
//! | off | Off | white | anywhere |
//!
//! "Anywhere" is a boundary or a poll: the allocation slow path, an upgrade of a weak pointer, the end of a store to a slot that has passed a barrier, or the beginning of a
//! write access to a cell that must (`MutatorState::answer`); never between a barrier and its store. Where a boundary is
//! needed, all who are inside have adopted the command, or nobody is inside, when the next is published: nobody skips it at a poll.

use crate::heap::span::{Epoch, early_of, fresh_of};
use crate::sync::twin::{self, Twin};

/// What a mutator's stores do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Nothing: no cycle is marking.
    Off = 0,
    /// Shade what is overwritten and, where a marker may not come to it, what is stored (`barrier::window`); set no claims. This mutator's
    /// stack may hold pointers that a mutator without its barrier has deleted unseen.
    Grey = 1,
    /// Shade what is overwritten; claim cells.
    Black = 2,
    /// Shade what is stored; hold cells while writing.
    Insertion = 3,
}

/// The colour of new objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Colour {
    /// Unmarked: lives through the cycle only if it is found.
    White = 0,
    /// Lives through the cycle if that does not arm again, and is scanned in it if it is found. What a Black mutator allocates before T2 may be on
    /// its stack alone; or get a pointer from a Grey one, see `barrier::window`.
    Early = 1,
    /// Fresh: lives through the cycle, and is scanned in it only where `mark::marker` says so.
    Black = 2,
}

impl Colour {
    /// That of what Black mutators allocate then.
    pub(crate) fn before_t2() -> Colour {
        if twin::is(Twin::WhiteBeforeT2) {
            Colour::White
        } else {
            Colour::Early
        }
    }
}

/// See the module header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Command {
    /// Counts commands; comes round after 2³².
    pub(crate) seq: u32,
    pub(crate) mode: Mode,
    pub(crate) colour: Colour,
    /// Epoch of the running cycle, or of the last one.
    pub(crate) epoch: Epoch,
    /// Its number, or that of the last one, modulo [`CYCLES`].
    pub(crate) cycle: u8,
    /// Adopted at a boundary only.
    pub(crate) boundary: bool,
    /// All mutators are wanted outside at once: do not enter.
    pub(crate) stop: bool,
}

/// Bits of a packed command.
const STOP: u64 = 1 << 25;
const BOUNDARY: u64 = 1 << 24;

/// Mutators answer in every cycle, so they need to tell a number from the one before only.
pub(crate) const CYCLES: u8 = 64;

/// The number of a cycle, as commands have it.
pub(crate) const fn number_of(cycle: u64) -> u8 {
    (cycle % CYCLES as u64) as u8
}

impl Command {
    /// The state of a heap that has never collected.
    pub(crate) const FIRST: Command = Command {
        seq: 0,
        mode: Mode::Off,
        colour: Colour::White,
        epoch: 1,
        cycle: 0,
        boundary: false,
        stop: false,
    };

    /// The bits of a packed command, one of which is set if it may not be adopted at a poll.
    pub(crate) const NOT_AT_A_POLL: u64 = STOP | BOUNDARY;

    /// As one word.
    pub(crate) const fn pack(self) -> u64 {
        (self.seq as u64) << 32
            | (self.cycle as u64) << 26
            | (self.stop as u64 * STOP)
            | (self.boundary as u64 * BOUNDARY)
            | (self.mode as u64) << 16
            | (self.colour as u64) << 8
            | self.epoch as u64
    }

    /// From one word.
    pub(crate) const fn unpack(word: u64) -> Command {
        Command {
            seq: (word >> 32) as u32,
            mode: match (word >> 16) & 3 {
                0 => Mode::Off,
                1 => Mode::Grey,
                2 => Mode::Black,
                _ => Mode::Insertion,
            },
            colour: match (word >> 8) & 3 {
                0 => Colour::White,
                1 => Colour::Early,
                _ => Colour::Black,
            },
            epoch: word as u8,
            cycle: (word >> 26) as u8 % CYCLES,
            boundary: word & BOUNDARY != 0,
            stop: word & STOP != 0,
        }
    }

    /// Whether its cycle has found the object with this mark, or it was made so. One that was allocated early is not, though it lives.
    #[inline(always)]
    pub(crate) fn has_found(self, mark: Epoch) -> bool {
        let early = twin::is(Twin::EarlyFound) && mark == early_of(self.cycle as u64);
        mark == self.epoch || mark == self.fresh() || early
    }

    /// The mark byte of fresh objects in this cycle.
    #[inline(always)]
    pub(crate) const fn fresh(self) -> Epoch {
        fresh_of(self.cycle as u64)
    }

    /// The mark byte of objects that are allocated black, or early; `None` if new objects are not.
    pub(crate) fn black(self) -> Option<Epoch> {
        match (self.mode, self.colour) {
            (Mode::Off, _) | (_, Colour::White) => None,
            (_, Colour::Early) if !twin::is(Twin::EarlyIsBlack) => {
                Some(early_of(self.cycle as u64))
            }
            (_, Colour::Early) => Some(self.fresh()),
            (_, Colour::Black) => Some(self.fresh()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::span::LAST_EPOCH;

    #[test]
    fn packing_keeps_every_field() {
        for mode in [Mode::Off, Mode::Grey, Mode::Black, Mode::Insertion] {
            for colour in [Colour::White, Colour::Early, Colour::Black] {
                for (boundary, stop) in [(false, false), (true, false), (false, true), (true, true)]
                {
                    let command = Command {
                        seq: u32::MAX - 1,
                        mode,
                        colour,
                        epoch: LAST_EPOCH,
                        cycle: CYCLES - 1,
                        boundary,
                        stop,
                    };
                    assert_eq!(Command::unpack(command.pack()), command);
                }
            }
        }
    }

    #[test]
    fn objects_are_black_only_while_a_cycle_marks() {
        let marking = Command {
            mode: Mode::Black,
            colour: Colour::Black,
            epoch: 7,
            ..Command::FIRST
        };
        assert_eq!(marking.black(), Some(fresh_of(0)));
        assert!(marking.has_found(7) && marking.has_found(fresh_of(0)));
        assert!(!marking.has_found(6) && !marking.has_found(fresh_of(1)));
        assert_eq!(
            Command {
                mode: Mode::Off,
                ..marking
            }
            .black(),
            None
        );
        assert_eq!(
            Command {
                colour: Colour::White,
                ..marking
            }
            .black(),
            None
        );
    }
}
