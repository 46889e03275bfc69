//! What random programs are made of. Drawn by `tests/model.rs` and by the fuzzer (`fuzz/fuzz_targets/model_ops.rs`).

/// Places of a node that hold one pointer.
pub(super) const PLACES: usize = 4;
/// Variables of a program: roots, or none.
pub(super) const VARIABLES: usize = 6;
/// Objects of garbage made by one operation are fewer.
pub(super) const GARBAGE: usize = 20;
/// Elements of an array are at most as many: more than a small object has.
pub(super) const ARRAY: usize = 5000;
/// Bytes of one step are fewer.
pub(super) const BUDGET: usize = 4000;

/// One operation. Variables are below [`VARIABLES`], places below [`PLACES`]. One whose variables are empty does nothing.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A new object in a variable.
    Allocate { to: usize, garbage: usize },
    /// `from.place = to`.
    Link {
        from: usize,
        place: usize,
        to: usize,
    },
    /// Empties a place.
    Unlink { from: usize, place: usize },
    /// Exchanges the contents of two places.
    Swap { a: usize, b: usize, place: usize },
    /// Takes what is in a place of one object, keeps it on the stack while garbage is made, and puts it into the other.
    Move {
        from: usize,
        to: usize,
        place: usize,
        garbage: usize,
    },
    /// `to = from.place`.
    Load {
        to: usize,
        from: usize,
        place: usize,
    },
    /// `to = replace(from.place, to)`.
    Replace {
        to: usize,
        from: usize,
        place: usize,
    },
    /// `to = from`, by cloning the handle.
    Clone { to: usize, from: usize },
    /// Empties a variable.
    Drop { variable: usize },
    /// A root that other threads may have; its object points to that of another such root.
    Buoy { behind: usize },
    /// Another thread attaches, clones such a root, looks at its objects, and drops both handles.
    DropElsewhere { buoy: usize },
    /// Adds to the list of an object.
    Push { from: usize, to: usize },
    /// As `Push`, with garbage made while the guard is held.
    Hold {
        from: usize,
        to: usize,
        garbage: usize,
    },
    /// Empties the list of an object.
    Clear { from: usize },
    /// Adds to a list in a list of an object, or adds a list.
    Nest { from: usize, to: usize, at: usize },
    /// A new array.
    Array { from: usize, len: usize },
    /// `from.array[at] = to`.
    Store { from: usize, to: usize, at: usize },
    /// `from.weak = weak(to)`.
    Weaken { from: usize, to: usize },
    /// `to = upgrade(from.weak)`.
    Upgrade { to: usize, from: usize },
    /// A guard of the object's list that never ends, after a push.
    Leak { from: usize, to: usize },
    /// A panic out of `enter` after a store.
    Panic { from: usize, place: usize },
    /// Another mutator comes, stores, and goes.
    Guest { from: usize, place: usize },
    /// The program goes on with its other mutator, which it attaches if it has none.
    Switch,
    /// The other mutator goes.
    Detach,
    /// A full cycle.
    Collect,
    /// A bit of one.
    Step { budget: usize },
    /// The next `trace` of an object panics, or the next destructor.
    Light { destructor: bool },
}
