//! Models whose second cycle is minor, see `src/cycle/minor.rs`.
//!
//! An old object is one whose mark a cycle has left. Objects that mutators make are *mutable*, or *immutable*: these have their pointer from
//! the start, and nothing is stored to them. What must hold is what always must, and that a slot without an object is not scanned; of garbage
//! only that full cycles free it.
//!
//! Steps are coarse (`Config::coarse`), but not with `TRICOLOR_MODEL=deep`.

use crate::state::{Barrier, Config, Twin, bit};
use crate::{BARRIERS, base, is_caught, is_deep, is_safe};

/// Fewer stores, for time's sake.
fn is_quick() -> bool {
    cfg!(debug_assertions) && !is_deep()
}

/// Objects 1 and 2, and room for two more, of which each mutator makes one.
fn pair(barrier: Barrier) -> Config {
    Config {
        cycles: 2,
        minor: bit(2),
        fresh: 3,
        coarse: !is_deep(),
        enters: [1, 1],
        stores: [1, 1],
        allocs: [1, 1],
        ..base(barrier, false)
    }
}

/// One mutator makes both.
fn alone(barrier: Barrier) -> Config {
    Config {
        enters: [2, 0],
        stores: [2, 0],
        allocs: [2, 0],
        ..pair(barrier)
    }
}

/// Object 3 exists at the start, and there is a weak reference to it.
fn weak(barrier: Barrier) -> Config {
    Config {
        fresh: 4,
        upgrades: [0, 1],
        allocs: [1, 0],
        stores: [1, 0],
        one_start: true,
        ..pair(barrier)
    }
}

fn cells(barrier: Barrier) -> Config {
    Config {
        cells: true,
        allocs: [1, 0],
        ..pair(barrier)
    }
}

/// The first cycle may be abandoned.
fn abandons(barrier: Barrier) -> Config {
    Config {
        stores: [1, 0],
        panics: true,
        ..alone(barrier)
    }
}

/// One of the objects is built in its slot, or not completed.
fn builds(barrier: Barrier) -> Config {
    Config {
        enters: [1, 1],
        stores: [1, 0],
        builds: [1, 0],
        ..alone(barrier)
    }
}

/// The same beside another mutator, and the cell of what is built may have been written before.
fn builds_of_cells(barrier: Barrier) -> Config {
    Config {
        builds: [1, 0],
        allocs: [1, 1],
        ..cells(barrier)
    }
}

/// Two minor cycles after the full one, and mutators that write what is old.
fn written(barrier: Barrier) -> Config {
    Config {
        cycles: 3,
        minor: bit(2) | bit(3),
        enters: [2, 1],
        allocs: [1, 0],
        ..pair(barrier)
    }
}

/// The same through guards, of which one may leak.
fn guards(barrier: Barrier, mates: bool) -> Config {
    Config {
        cells: true,
        mates,
        leaks: [1, 0],
        stores: [1, u8::from(!mates)],
        ..written(barrier)
    }
}

#[test]
fn what_is_written_is_seen_by_minor_cycles() {
    for barrier in BARRIERS {
        is_safe("minor, written", written(barrier));
    }
}

#[test]
fn what_is_written_through_guards_is_seen_by_minor_cycles() {
    for barrier in BARRIERS {
        let mut config = guards(barrier, false);
        if is_quick() {
            config.stores = [1, 0];
        }
        is_safe("minor, guards", config);
        is_safe("minor, guards of one thread", guards(barrier, true));
    }
}

#[test]
fn minor_cycles_are_safe() {
    for barrier in BARRIERS {
        let mut config = pair(barrier);
        if is_quick() {
            config.stores = [1, 0];
        }
        is_safe("minor, pair", config);
    }
}

#[test]
fn minor_cycles_of_one_mutator_are_safe() {
    for barrier in BARRIERS {
        let mut config = alone(barrier);
        if is_quick() {
            config.stores = [1, 0];
        }
        is_safe("minor, alone", config);
    }
}

#[test]
fn minor_cycles_with_weak_references_are_safe() {
    for barrier in BARRIERS {
        is_safe("minor, weak", weak(barrier));
    }
}

#[test]
fn minor_cycles_with_cells_are_safe() {
    for barrier in BARRIERS {
        is_safe("minor, cells", cells(barrier));
    }
}

#[test]
fn full_and_minor_cycles_after_minor_ones_are_safe() {
    for barrier in BARRIERS {
        let config = Config {
            cycles: 3,
            stores: [1, 0],
            ..alone(barrier)
        };
        is_safe("minor, then full", config);
        let minor = bit(2) | bit(3);
        is_safe("minor, twice", Config { minor, ..config });
    }
}

#[test]
fn cycles_after_abandoned_ones_are_safe() {
    for barrier in BARRIERS {
        is_safe("minor, abandons", abandons(barrier));
    }
}

#[test]
fn minor_cycles_with_objects_built_in_place_are_safe() {
    for barrier in BARRIERS {
        is_safe("minor, builds", builds(barrier));
    }
}

#[test]
fn minor_cycles_with_cells_that_move_into_what_is_built_are_safe() {
    for barrier in BARRIERS {
        let mut config = builds_of_cells(barrier);
        if is_quick() {
            config.stores = [1, 0];
        }
        is_safe("minor, builds of cells", config);
    }
}

#[test]
fn twins_of_minor_cycles_are_caught() {
    use Barrier::{Deletion, Hybrid};
    for twin in [
        Twin::NotedForgotten,
        Twin::OldNotNoted,
        Twin::WhiteBeforeSweep,
        Twin::FreshNotScanned,
        Twin::FreshKept,
        Twin::WriteNotStamped,
        Twin::FreshNotStamped,
        Twin::OldStampsIgnored,
    ] {
        is_caught("minor, alone", alone(Deletion), twin);
    }
    let under = Twin::CardsUnderInsertion;
    is_caught("minor, cells", cells(Barrier::Insertion), under);
    is_caught("minor, guards", guards(Deletion, false), Twin::StampedAtEnd);
    is_caught("minor, pair", pair(Hybrid), Twin::FreshPassedOver);
    let after = Twin::MinorAfterAbandoned;
    is_caught("minor, abandons", abandons(Deletion), after);
}
