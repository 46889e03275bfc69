//! What programs are made of: stores of a leaf, and what moves values and cells before and after.

/// Where a value is that is used through `&`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Hand,
    Cell,
    Boxed,
    Shelf,
    Holder,
    Slice,
}

/// How a leaf gets into it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Through a guard of the inner cell.
    Inner,
    /// Past its guard, with one of the outer cell.
    Past,
    /// In a new inner cell.
    NewInner,
    /// To a slot in the inner cell, which takes no guard that writes.
    InnerSlot,
    Mutex,
    Slot,
    Cell,
    Once,
    /// Through a guard of a mutex in a lock.
    Lock,
    /// Past its guard.
    PastLock,
    /// In a new mutex.
    NewLock,
}

/// A store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Store {
    Into(Place, Way),
    /// Past all guards, with one of the cell that the value lies in, or none for what is at hand.
    Past(Cup, Way),
    Own,
    Shared,
}

/// Where a value is that can be moved out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cup {
    Hand,
    Cell,
    Boxed,
    Shared(usize),
}

/// What becomes of a value when a guard ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Last {
    /// The leaf at hand goes past the guards inside.
    Past,
    /// It goes through them.
    Inside,
    /// It comes in a new cell.
    New,
    /// Another takes its place.
    Swapped,
}

/// What is built.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Holder,
    Slice,
    Boxed,
    Leaves,
}

/// What changes where values and cells are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    Poll,
    /// The value has a new inner cell, which is empty.
    Empty(Place),
    /// It exchanges its inner cell for the one at hand.
    Exchange(Place),
    /// The same past all guards.
    ExchangePast,
    /// An inner cell at hand gets the leaf through its guard.
    Fill,
    /// A guard of its lock begins and ends.
    Touch,
    /// A guard of the outer cell of the value at hand, or of the inner one, or of its lock.
    Outer(Last),
    Inner,
    Lock(Last),
    /// A guard of the cell that a value lies in.
    Around(Last),
    /// The value at hand changes places with the one there.
    Swap(Cup),
    Shelve,
    /// An object is made of it, or built in its slot.
    Make(Kind),
    Build(Kind),
    /// Another mutator of the thread is entered.
    Mate,
}

impl Move {
    /// What is in the first shared cell is at hand.
    pub(super) const TAKE: Move = Move::Swap(Cup::Shared(0));
}

/// One of each list: what encloses the rest, or comes before it, a store, and what comes after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// Whether all of it runs while an object is built.
    pub(super) build: Option<Kind>,
    pub(super) first: Move,
    pub(super) store: Store,
    pub(super) last: Move,
    /// What else may be this way or that, see [`draws`](Program::draws).
    chance: u64,
}

impl Program {
    /// So many there are.
    pub(super) const ALL: usize = BUILDS.len() * MOVES.len() * STORES * MOVES.len();

    /// Each by its number.
    pub(super) fn number(number: usize) -> Self {
        let (build, rest) = (number % BUILDS.len(), number / BUILDS.len());
        let (first, rest) = (rest % MOVES.len(), rest / MOVES.len());
        let (last, store) = (rest % MOVES.len(), rest / MOVES.len());
        Program {
            build: BUILDS[build],
            first: MOVES[first],
            store: Store::number(store),
            last: MOVES[last],
            chance: (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// Once in so many programs; each `what` is drawn apart.
    pub(super) fn draws(&self, what: Chance, once_in: u64) -> bool {
        let mixed = (self.chance ^ what as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33 & 0xffff
            < 0x1_0000 / once_in
    }
}

/// What is drawn for a program.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chance {
    /// What there was before is old.
    Old,
    /// The cycle is a full one.
    Full,
    /// The leaf is not one that was allocated black.
    White,
    /// The value is taken before the other thread claims it.
    Early,
    /// The other thread empties the slot when it has a barrier.
    Late,
    /// What encloses the store, where it could.
    Encloses,
    /// Guards leak.
    Leaks,
    /// The other thread goes through another boundary before this one does.
    Again,
    /// The cycle goes on before the other thread has left.
    Stays,
}

/// Half of the programs build nothing around them. They are the same ones four times over, but for what is drawn.
const BUILDS: [Option<Kind>; 8] = [
    None,
    None,
    None,
    None,
    Some(Kind::Holder),
    Some(Kind::Slice),
    Some(Kind::Boxed),
    Some(Kind::Leaves),
];

const PLACES: [Place; 6] = [
    Place::Hand,
    Place::Cell,
    Place::Boxed,
    Place::Shelf,
    Place::Holder,
    Place::Slice,
];

const CUPS: [Cup; 4] = [Cup::Hand, Cup::Cell, Cup::Boxed, Cup::Shared(0)];

const WAYS: [Way; 11] = [
    Way::Inner,
    Way::Past,
    Way::NewInner,
    Way::InnerSlot,
    Way::Mutex,
    Way::Slot,
    Way::Cell,
    Way::Once,
    Way::Lock,
    Way::PastLock,
    Way::NewLock,
];

const STORES: usize = (PLACES.len() + CUPS.len()) * WAYS.len() + 2;

impl Store {
    fn number(number: usize) -> Self {
        let (way, place) = (WAYS[number % WAYS.len()], number / WAYS.len());
        match place.checked_sub(PLACES.len()) {
            None => Store::Into(PLACES[place], way),
            Some(cup) if cup < CUPS.len() => Store::Past(CUPS[cup], way),
            Some(_) => [Store::Own, Store::Shared][number % WAYS.len()],
        }
    }
}

const MOVES: [Move; 34] = [
    Move::Poll,
    Move::Empty(Place::Hand),
    Move::Empty(Place::Cell),
    Move::Empty(Place::Holder),
    Move::Exchange(Place::Hand),
    Move::Exchange(Place::Cell),
    Move::Exchange(Place::Holder),
    Move::ExchangePast,
    Move::Fill,
    Move::Touch,
    Move::Outer(Last::Past),
    Move::Outer(Last::Inside),
    Move::Outer(Last::New),
    Move::Outer(Last::Swapped),
    Move::Inner,
    Move::Lock(Last::Past),
    Move::Lock(Last::New),
    Move::Around(Last::Past),
    Move::Around(Last::Inside),
    Move::Around(Last::New),
    Move::Around(Last::Swapped),
    Move::Swap(Cup::Cell),
    Move::Swap(Cup::Boxed),
    Move::Swap(Cup::Shared(0)),
    Move::Swap(Cup::Shared(1)),
    Move::Shelve,
    Move::Make(Kind::Holder),
    Move::Make(Kind::Slice),
    Move::Make(Kind::Boxed),
    Move::Build(Kind::Holder),
    Move::Build(Kind::Slice),
    Move::Build(Kind::Boxed),
    Move::Build(Kind::Leaves),
    Move::Mate,
];
