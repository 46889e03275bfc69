//! What random programs are made of.

use proptest::prelude::*;

/// Places of a node that hold one pointer.
pub(super) const PLACES: usize = 4;
/// Variables of a program: roots, or none.
pub(super) const VARIABLES: usize = 6;

/// One operation. Variables are indices modulo [`VARIABLES`], places modulo [`PLACES`].
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A new object in a variable.
    Allocate {
        to: usize,
        garbage: usize,
    },
    /// `a.place = b`, or nothing if `b` is empty.
    Link {
        from: usize,
        place: usize,
        to: usize,
    },
    Unlink {
        from: usize,
        place: usize,
    },
    /// Exchanges the contents of two places.
    Swap {
        a: usize,
        b: usize,
        place: usize,
    },
    /// `to = from.place`.
    Load {
        to: usize,
        from: usize,
        place: usize,
    },
    /// `to = from`, by cloning the handle.
    Clone {
        to: usize,
        from: usize,
    },
    /// Empties a variable.
    Drop {
        variable: usize,
    },
    /// Adds to, or empties, the list of an object.
    Push {
        from: usize,
        to: usize,
    },
    Clear {
        from: usize,
    },
    /// `from.weak = weak(to)`.
    Weaken {
        from: usize,
        to: usize,
    },
    /// `to = upgrade(from.weak)`.
    Upgrade {
        to: usize,
        from: usize,
    },
    /// A guard of the object's list that never ends, after a push.
    Leak {
        from: usize,
        to: usize,
    },
    /// A panic out of `enter` after a store.
    Panic {
        from: usize,
        place: usize,
    },
    /// Another mutator comes, stores, and goes.
    Guest {
        from: usize,
        place: usize,
    },
    Collect,
    Step {
        budget: usize,
    },
}

/// A random operation; those that build come more often than those that take down.
pub(super) fn op() -> impl Strategy<Value = Op> {
    let v = || 0..VARIABLES;
    let p = || 0..PLACES;
    prop_oneof![
        8 => (v(), 0..20_usize).prop_map(|(to, garbage)| Op::Allocate { to, garbage }),
        10 => (v(), p(), v()).prop_map(|(from, place, to)| Op::Link { from, place, to }),
        4 => (v(), p()).prop_map(|(from, place)| Op::Unlink { from, place }),
        4 => (v(), v(), p()).prop_map(|(a, b, place)| Op::Swap { a, b, place }),
        6 => (v(), v(), p()).prop_map(|(to, from, place)| Op::Load { to, from, place }),
        3 => (v(), v()).prop_map(|(to, from)| Op::Clone { to, from }),
        4 => v().prop_map(|variable| Op::Drop { variable }),
        5 => (v(), v()).prop_map(|(from, to)| Op::Push { from, to }),
        2 => v().prop_map(|from| Op::Clear { from }),
        4 => (v(), v()).prop_map(|(from, to)| Op::Weaken { from, to }),
        4 => (v(), v()).prop_map(|(to, from)| Op::Upgrade { to, from }),
        1 => (v(), v()).prop_map(|(from, to)| Op::Leak { from, to }),
        1 => (v(), p()).prop_map(|(from, place)| Op::Panic { from, place }),
        1 => (v(), p()).prop_map(|(from, place)| Op::Guest { from, place }),
        2 => Just(Op::Collect),
        6 => (1..4000_usize).prop_map(|budget| Op::Step { budget }),
    ]
}
