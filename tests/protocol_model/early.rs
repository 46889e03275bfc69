//! Models of what Black mutators allocate while Hybrid arms: it lives through the cycle, unless that arms again, and is scanned where it is found.

use crate::state::{Barrier, Config, Twin};
use crate::{base, is_caught, is_safe};

/// A Black mutator allocates before T2, and a Grey one stores into that what it alone has.
fn early() -> Config {
    Config {
        allocs: [1, 0],
        stores: [1, 1],
        enters: [1, 2],
        one_start: true,
        ..base(Barrier::Hybrid, false)
    }
}

#[test]
fn objects_of_before_t2_are_safe() {
    is_safe("early", early());
    is_safe(
        "early, cells",
        Config {
            cells: true,
            ..early()
        },
    );
    is_safe(
        "early, much",
        Config {
            much: true,
            ..early()
        },
    );
}

#[test]
fn twins_of_objects_of_before_t2_are_caught() {
    is_caught("early", early(), Twin::WhiteBeforeT2);
    is_caught(
        "early, cells",
        Config {
            cells: true,
            ..early()
        },
        Twin::SharedNeedsNothing,
    );
}
