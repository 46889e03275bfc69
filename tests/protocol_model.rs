//! The whole cycle as a state machine, explored exhaustively within stated budgets: two mutators, one marker, four objects
//! of one field, two roots for good and one that somebody drops, allocation, a weak reference, leaked guards, a second
//! cycle, which may be minor (`minor`), mutators that share a thread, and a span that goes from hand to hand (`spans`).
//!
//! It is the cycle as shipped, barrier by barrier (`src/cycle/driver.rs`, `src/barrier`, `src/weak.rs`), written a second
//! time in words small enough to read in one sitting. Steps interleave sequentially: of weak memory (but for what answers to
//! handshakes are for, see `late`), and of the code itself, it says nothing; that is what the loom models in `src/loom_tests` are
//! for. Those in turn cannot hold two mutators, a marker and two cycles at once.
//!
//! What must hold: a reachable object is marked when marking is over and is not freed; what was garbage when the cycle
//! began is gone when it ends; no mutator writes a cell while a marker reads it. What must not: each *twin* leaves something
//! out, and the search must find what that breaks; it prints the shortest way there.
//!
//! `cargo test` leaves it out, `ci/test.sh` runs it with optimisation. Without, only one shape of the heap is tried at the start, for time's sake.
//! `TRICOLOR_MODEL=deep cargo test --release --test protocol_model` raises the budgets (some gigabytes, many minutes).

#[path = "protocol_model/allocation.rs"]
mod allocation;
#[path = "protocol_model/collector.rs"]
mod collector;
#[path = "protocol_model/early.rs"]
mod early;
#[path = "protocol_model/late.rs"]
mod late;
#[path = "protocol_model/minor.rs"]
mod minor;
#[path = "protocol_model/mutator.rs"]
mod mutator;
#[path = "protocol_model/search.rs"]
mod search;
#[path = "protocol_model/spans.rs"]
mod spans;
#[path = "protocol_model/state.rs"]
mod state;

use search::{explore, report};
use state::{Barrier, Config, FRESH, Twin};

/// States of one search at most, in a twin: its counterexample is found long before.
const LIMIT: usize = 20_000_000;

fn is_deep() -> bool {
    std::env::var("TRICOLOR_MODEL").is_ok_and(|v| v == "deep")
}

fn base(barrier: Barrier, cells: bool) -> Config {
    let deep = u8::from(is_deep());
    Config {
        barrier,
        twin: None,
        cells,
        slots_in_cells: false,
        late: false,
        spans: false,
        mates: false,
        enters: [2, 1 + deep],
        stores: [1, 1],
        allocs: [0, 0],
        upgrades: [0, 0],
        leaks: [0, 0],
        builds: [0, 0],
        own: false,
        much: false,
        drops: false,
        makes: false,
        cycles: 1,
        minor: 0,
        objects: FRESH,
        fresh: FRESH,
        coarse: false,
        panics: false,
        one_start: cfg!(debug_assertions) && !is_deep(),
    }
}

#[track_caller]
fn is_safe(name: &str, config: Config) {
    let found = explore(&config, usize::MAX);
    report(name, &config, &found);
    assert!(
        found.wrong.is_none(),
        "{name}: the protocol as shipped is not safe"
    );
    assert!(found.complete);
}

#[track_caller]
fn is_caught(name: &str, config: Config, twin: Twin) {
    let config = Config {
        twin: Some(twin),
        ..config
    };
    let found = explore(&config, LIMIT);
    report(name, &config, &found);
    assert!(
        found.wrong.is_some(),
        "{name}: nothing shows that {twin:?} is broken"
    );
}

fn races(barrier: Barrier) -> Config {
    Config {
        stores: [2, 1],
        enters: [2, 1],
        one_start: true,
        ..base(barrier, false)
    }
}

/// Two mutators of one thread; the second is attached at some time, inside the first or not.
fn mates(barrier: Barrier) -> Config {
    Config {
        mates: true,
        enters: [1, 1],
        stores: [1, 2],
        one_start: true,
        ..base(barrier, true)
    }
}

const BARRIERS: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

#[test]
fn stores_to_slots_are_safe() {
    for barrier in BARRIERS {
        is_safe("stores", base(barrier, false));
    }
}

/// Two mutators that overwrite each other's stores, before T2 by exchanges and after it by loads and stores.
#[test]
fn racing_stores_are_safe() {
    for barrier in BARRIERS {
        is_safe("races", races(barrier));
    }
}

#[test]
fn stores_to_cells_are_safe() {
    for barrier in BARRIERS {
        is_safe("stores", base(barrier, true));
    }
}

/// One mutator writes to cells, the other to the slots in them.
fn slots_in_cells(barrier: Barrier) -> Config {
    Config {
        slots_in_cells: true,
        stores: [2, 1],
        one_start: true,
        ..base(barrier, true)
    }
}

#[test]
fn stores_to_slots_in_cells_are_safe() {
    for barrier in BARRIERS {
        is_safe("slots in cells", slots_in_cells(barrier));
    }
}

#[test]
fn allocation_is_safe() {
    for barrier in BARRIERS {
        let base = base(barrier, false);
        is_safe(
            "allocation",
            Config {
                allocs: [1, 0],
                stores: [1, 0],
                ..base
            },
        );
        is_safe(
            "allocation",
            Config {
                allocs: [1, 0],
                stores: [0, 1],
                enters: [1, 1],
                ..base
            },
        );
    }
}

#[test]
fn dropping_a_root_is_safe() {
    for barrier in BARRIERS {
        is_safe(
            "root",
            Config {
                drops: true,
                stores: [1, 0],
                ..base(barrier, false)
            },
        );
    }
}

/// A root is dropped, made of something else, and dropped again, also in the next cycle.
fn roots(barrier: Barrier, cycles: u8) -> Config {
    Config {
        drops: true,
        makes: true,
        cycles,
        stores: [2 - cycles, 1],
        enters: [cycles, 1],
        ..base(barrier, false)
    }
}

#[test]
fn making_a_root_and_dropping_it_is_safe() {
    for barrier in BARRIERS {
        is_safe("made root", roots(barrier, 1));
        is_safe("made root, two cycles", roots(barrier, 2));
    }
}

#[test]
fn weak_upgrades_are_safe() {
    for barrier in BARRIERS {
        is_safe(
            "weak",
            Config {
                upgrades: [1, 0],
                stores: [1, 0],
                ..base(barrier, false)
            },
        );
    }
}

#[test]
fn leaked_guards_are_safe() {
    for barrier in BARRIERS {
        is_safe(
            "leak",
            Config {
                leaks: [1, 0],
                ..base(barrier, true)
            },
        );
    }
}

/// A Grey mutator has a cell that no other thread uses, and pointers in common with one that may be Black.
#[test]
fn stores_to_a_cell_of_ones_own_are_safe() {
    let own = Config {
        own: true,
        stores: [2, 1],
        enters: [2, 2],
        one_start: true,
        ..base(Barrier::Hybrid, true)
    };
    is_safe("own cell", own);
    is_caught("own cell", own, Twin::GreyClaims);
    is_caught("own cell", own, Twin::SharedNeedsNothing);
}

/// Grey mutators that have shaded enough shade no more.
fn much(slots_in_cells: bool, cells: bool) -> Config {
    Config {
        much: true,
        slots_in_cells,
        stores: [1, 2],
        enters: [1, 2],
        one_start: true,
        ..base(Barrier::Hybrid, cells)
    }
}

#[test]
fn arming_again_is_safe() {
    is_safe("much, slots", much(false, false));
    is_safe("much, cells", much(false, true));
    is_safe("much, slots in cells", much(true, true));
}

#[test]
fn twins_of_arming_again_are_caught() {
    is_caught("much, slots", much(false, false), Twin::LeakIgnored);
    is_caught("much, cells", much(false, true), Twin::LeakIgnored);
    is_caught("much, slots in cells", much(true, true), Twin::LeakIgnored);
}

#[test]
fn mutators_of_one_thread_are_safe() {
    for barrier in BARRIERS {
        is_safe("mates", mates(barrier));
    }
}

#[test]
fn twins_of_mutators_of_one_thread_are_caught() {
    for twin in [Twin::InnerStaysBehind, Twin::AttachedIsAhead] {
        is_caught("mates", mates(Barrier::Hybrid), twin);
    }
}

fn two_cycles(barrier: Barrier) -> Config {
    Config {
        cycles: 2,
        stores: [1, 0],
        upgrades: [0, 1],
        ..base(barrier, false)
    }
}

/// Mutators may be late: with what they began in the first cycle in the second.
fn late(barrier: Barrier) -> Config {
    Config {
        cycles: 2,
        enters: [2, 1],
        one_start: true,
        ..base(barrier, true)
    }
}

#[test]
fn two_cycles_are_safe() {
    for barrier in BARRIERS {
        is_safe("two cycles", two_cycles(barrier));
        is_safe("late", late(barrier));
    }
}

#[test]
fn twins_of_two_cycles_are_caught() {
    use Barrier::{Deletion, Hybrid, Insertion};
    is_caught("two cycles", two_cycles(Insertion), Twin::SweepBeforeOff);
    for barrier in [Deletion, Hybrid] {
        for twin in [Twin::SweepBeforeOff, Twin::NoFlush] {
            is_caught("two cycles", two_cycles(barrier), twin);
        }
        // Without a weak reference it shows in the second cycle, whose cells a mutator claims that has been black since the first.
        is_caught("late", late(barrier), Twin::SweepBeforeOff);
    }
}

#[test]
fn twins_of_the_handshakes_are_caught() {
    use Barrier::{Deletion, Hybrid, Insertion};
    for (barrier, twin) in [
        (Hybrid, Twin::NobodyIsAsked),
        (Hybrid, Twin::OneHandshake),
        (Hybrid, Twin::MarksAtT1),
        (Hybrid, Twin::PollCountsAsBoundary),
        (Deletion, Twin::DeletionWithoutStop),
        (Insertion, Twin::InsertionWithoutStop),
        (Insertion, Twin::NobodyIsAsked),
        (Hybrid, Twin::AnswersUnheld),
        (Insertion, Twin::AnswersUnheld),
        (Hybrid, Twin::NoRound),
        (Hybrid, Twin::NoFlush),
        (Deletion, Twin::NoFlush),
        (Insertion, Twin::NoFlush),
    ] {
        is_caught("handshakes", base(barrier, false), twin);
    }
}

#[test]
fn twins_of_the_slot_barrier_are_caught() {
    use Barrier::{Deletion, Hybrid, Insertion};
    for (barrier, twin) in [
        (Insertion, Twin::NewNotShaded),
        (Deletion, Twin::OldNotShaded),
        (Hybrid, Twin::OldNotShaded),
        (Deletion, Twin::PollsBeforeShade),
        (Hybrid, Twin::PollsBeforeShade),
    ] {
        is_caught("slots", base(barrier, false), twin);
    }
    is_caught("slots", races(Hybrid), Twin::LoadThenStore);
    let in_cells = slots_in_cells(Hybrid);
    is_caught("slots in cells", in_cells, Twin::NewNotShaded);
    is_caught("slots in cells", in_cells, Twin::ClaimNotSaid);
    let allocates = Config {
        allocs: [1, 0],
        stores: [1, 0],
        ..base(Hybrid, false)
    };
    is_caught("allocation", allocates, Twin::WhiteWhenBlack);
    is_caught(
        "allocation",
        Config {
            stores: [1, 1],
            enters: [1, 1],
            ..allocates
        },
        Twin::BlackWhenGrey,
    );
}

#[test]
fn twins_of_the_claim_are_caught() {
    use Barrier::{Deletion, Hybrid, Insertion};
    for (barrier, twin) in [
        (Hybrid, Twin::GreyClaims),
        (Hybrid, Twin::WriterDoesNotWait),
        (Hybrid, Twin::BusyScanned),
        (Deletion, Twin::BusyScanned),
        (Insertion, Twin::BusyScanned),
        (Hybrid, Twin::ClaimNotTraced),
        (Deletion, Twin::ClaimNotTraced),
        (Insertion, Twin::EndNotShaded),
        (Insertion, Twin::BusyNotSetAside),
    ] {
        is_caught("cells", base(barrier, true), twin);
    }
    let straggles = Config {
        stores: [1, 2],
        enters: [1, 2],
        one_start: true,
        ..base(Hybrid, true)
    };
    is_caught("straggler", straggles, Twin::EndNotShaded);
    is_caught("straggler", straggles, Twin::SharedNeedsNothing);
    is_caught(
        "straggler",
        Config {
            leaks: [1, 0],
            ..straggles
        },
        Twin::LeakIgnored,
    );
}

#[test]
fn twins_of_roots_and_weak_references_are_caught() {
    use Barrier::{Deletion, Hybrid};
    for barrier in [Deletion, Hybrid] {
        is_caught(
            "root",
            Config {
                drops: true,
                ..base(barrier, false)
            },
            Twin::RootsNotArmed,
        );
        is_caught("made root", roots(barrier, 1), Twin::RootsTakenForShaded);
        is_caught("made root", roots(barrier, 2), Twin::ShadedKept);
    }
    is_caught(
        "made root",
        roots(Barrier::Insertion, 1),
        Twin::RootNotShaded,
    );
    let weak = Config {
        one_start: false,
        upgrades: [1, 0],
        stores: [0, 0],
        ..base(Hybrid, false)
    };
    is_caught("weak", weak, Twin::UpgradeNotShaded);
    is_caught("weak", weak, Twin::UpgradeShadedAtHome);
    is_caught("weak", weak, Twin::UpgradeNotSeen);
    is_caught("weak", weak, Twin::SweepBeforeOff);
}
