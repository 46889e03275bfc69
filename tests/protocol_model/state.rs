//! The state of the machine: four or five objects with one field each, two mutators, the collector.

use crate::late::Heard;
use crate::search::Wrong;
use crate::spans::Span;

/// Which barrier the heap was built with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Barrier {
    Insertion,
    Deletion,
    Hybrid,
}

/// What is left out of the protocol. Of spans there is one, in models of its own (`spans`), and of the order in which memory is seen what answers are
/// for (`late`): other twins that touch these are loom's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Twin {
    /// A handshake waits for nobody.
    NobodyIsAsked,
    /// The collector answers for a mutator outside without holding it: one that has looked at the command, and comes in, knows nothing of that.
    AnswersUnheld,
    /// Hybrid arms by one handshake, after which mutators are Black.
    OneHandshake,
    /// Deletion arms by a handshake.
    DeletionWithoutStop,
    /// Insertion ends with a round.
    InsertionWithoutStop,
    /// Commands that need an empty stack are adopted at polls.
    PollCountsAsBoundary,
    /// Hybrid starts markers at T1, and asks for the second boundary meanwhile.
    MarksAtT1,
    OldNotShaded,
    /// Under Hybrid it makes a difference only for a slot in a shared cell that a Black mutator has claimed before T2.
    NewNotShaded,
    /// A mutator polls when it has stored and not shaded yet.
    PollsBeforeShade,
    /// A slot is loaded, then stored.
    LoadThenStore,
    WhiteWhenBlack,
    BlackWhenGrey,
    NoRound,
    NoFlush,
    RootsNotArmed,
    /// A root counts as shaded whoever has made it, and whenever.
    RootsTakenForShaded,
    ShadedKept,
    RootNotShaded,
    /// A Grey mutator claims cells.
    GreyClaims,
    /// Nor needs it a barrier for one that nobody has claimed, when the other may be Black.
    SharedNeedsNothing,
    /// Cells: new contents are not shaded when an access ends.
    EndNotShaded,
    /// Cells: the writer does not wait for the marker.
    WriterDoesNotWait,
    /// Cells: what the cell held is not shaded when it is claimed.
    ClaimNotTraced,
    /// Cells: a marker that meets a busy one does not set it aside.
    BusyNotSetAside,
    /// Cells: it reads that one, without a claim.
    BusyScanned,
    LeakIgnored,
    UpgradeNotShaded,
    UpgradeShadedAtHome,
    UpgradeNotSeen,
    SweepBeforeOff,
    /// The sweep begins before all barriers are off, and what is in the caches of those that have not answered is to be swept, too.
    CachedSwept,
    /// A span that a cache takes stays on its list.
    StaysListed,
    /// The run that a mutator has when it turns Black stays white.
    NotBlackened,
    /// A mutator keeps its span when its barrier goes off.
    CacheKeptAtOff,
    /// It gives the span back, and keeps the run.
    RunKeptAtOff,
    /// What a mutator did before it answered is not released to the collector.
    AnswerNotReleased,
    /// Of two mutators of one thread, one that is entered inside the other stays behind it.
    InnerStaysBehind,
    /// One that is attached inside the other takes the newest command.
    AttachedIsAhead,
    /// A minor cycle does not scan what was noted.
    NotedForgotten,
    /// The sweep does not note old mutable objects.
    OldNotNoted,
    /// Objects made between off and the sweep are white, and the sweep comes to them.
    WhiteBeforeSweep,
    /// Writes leave no stamps on cards.
    WriteNotStamped,
    /// A guard stamps the card of its cell when it ends.
    StampedAtEnd,
    /// Nor does a marker that makes a mutable fresh object old.
    FreshNotStamped,
    /// Stamps of older cycles count for nothing.
    OldStampsIgnored,
    /// Under Insertion, too, old objects that have not been written are passed over.
    CardsUnderInsertion,
    /// A minor cycle follows an abandoned one.
    MinorAfterAbandoned,
    /// A fresh object has become old, and what it points at stays young.
    FreshNotScanned,
    /// Markers pass fresh objects over.
    FreshPassedOver,
    /// What is allocated black is fresh in the next cycle, too.
    FreshKept,
    /// Hybrid: what a Black mutator allocates before T2 is white.
    WhiteBeforeT2,
    /// A Black mutator that claims a cell before T2 does not say so.
    ClaimNotSaid,
}

/// A model: the protocol, what is left out of it, and how much the mutators may do.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    pub(crate) barrier: Barrier,
    pub(crate) twin: Option<Twin>,
    /// Fields are cells with a claim; else slots.
    pub(crate) cells: bool,
    /// In these cells are slots, to which the second mutator stores with a guard for reading, see `GcRwLock`.
    pub(crate) slots_in_cells: bool,
    /// Markers hear of stores late, see `late`.
    pub(crate) late: bool,
    /// Objects from 3 on lie in a span, see `spans`.
    pub(crate) spans: bool,
    /// The mutators share a thread, on which the second is attached at some time, and cells are the thread's own.
    pub(crate) mates: bool,
    /// Per mutator.
    pub(crate) enters: [u8; 2],
    pub(crate) stores: [u8; 2],
    pub(crate) allocs: [u8; 2],
    pub(crate) upgrades: [u8; 2],
    pub(crate) leaks: [u8; 2],
    /// Of the allocations: in their slots.
    pub(crate) builds: [u8; 2],
    /// Object 1 is the first mutator's own: its cell is confined to that one's thread.
    pub(crate) own: bool,
    /// Grey mutators may have shaded enough.
    pub(crate) much: bool,
    /// Somebody, somewhere, may drop the root.
    pub(crate) drops: bool,
    /// Mutators make a root of what they hold, when there is none.
    pub(crate) makes: bool,
    pub(crate) cycles: u8,
    /// Those that are minor if they may be: cycle n is `bit(n)`.
    pub(crate) minor: u8,
    /// Objects are 1 to this; those from `fresh` on do not exist at the start.
    pub(crate) objects: u8,
    pub(crate) fresh: u8,
    /// Without steps between which it makes no difference what others do: the roots are read at once, what has been marked before is
    /// passed over at once, and objects are swept at once.
    pub(crate) coarse: bool,
    /// In the first cycle a `trace` may panic, which abandons it.
    pub(crate) panics: bool,
    /// Only object 1, or the root if it is dropped, points at 3 at the start; else every combination is tried.
    pub(crate) one_start: bool,
}

impl Config {
    pub(crate) fn is(&self, twin: Twin) -> bool {
        self.twin == Some(twin)
    }

    /// Minor cycles scan the old objects that have been written, and not all that may change.
    pub(crate) fn goes_by_cards(&self) -> bool {
        let insertion = self.barrier == Barrier::Insertion;
        self.minor != 0 && (!insertion || self.is(Twin::CardsUnderInsertion))
    }
}

/// Objects are 1 to this at most; 0 is null. 1 and 2 are roots for good, 3 is what everybody fights over, 4 is allocated (but see `Config::fresh`).
pub(crate) const OBJECTS: u8 = 5;
pub(crate) const TARGET: u8 = 3;
pub(crate) const FRESH: u8 = 4;

/// A set of objects.
pub(crate) fn bit(object: u8) -> u8 {
    if object == 0 { 0 } else { 1 << (object - 1) }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Mode {
    #[default]
    Off,
    Grey,
    Black,
    Insertion,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Colour {
    #[default]
    White,
    Early,
    Black,
}

/// What all mutators are to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Command {
    pub(crate) mode: Mode,
    pub(crate) colour: Colour,
    pub(crate) boundary: bool,
    pub(crate) stop: bool,
    /// The number of its cycle.
    pub(crate) cycle: u8,
}

/// Where a mutator is in a store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Op {
    #[default]
    None,
    /// Twin: has looked at the command, about to come in.
    Enter,
    /// Slot: about to exchange.
    Exchange,
    /// Slot, twin: has loaded the old value.
    Loaded,
    /// Slot: about to shade.
    Shade,
    /// Cell: about to claim.
    Begin,
    /// Cell: has claimed, about to trace the old contents.
    Trace,
    /// Cell: may write.
    Write,
    /// Cell: has written.
    End,
    /// Makes an object in its slot.
    Build,
    /// Has read the target's address in a weak box.
    Upgrade,
}

/// What the end of a write access must do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum AtEnd {
    #[default]
    Nothing,
    ShadeGrey,
    Shade,
    Release,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Mutator {
    pub(crate) attached: bool,
    pub(crate) inside: bool,
    /// It has been entered inside the other one of its thread.
    pub(crate) nested: bool,
    pub(crate) acked: bool,
    pub(crate) command: Command,
    /// Its stack.
    pub(crate) reg: u8,
    pub(crate) buffer: u8,
    pub(crate) op: Op,
    pub(crate) at_end: AtEnd,
    /// Operands of the store: where, what, and what was there.
    pub(crate) x: u8,
    pub(crate) v: u8,
    pub(crate) old: u8,
    /// A guard that must shade at its end has been leaked.
    pub(crate) leaked: bool,
    pub(crate) enters: u8,
    pub(crate) stores: u8,
    pub(crate) allocs: u8,
    pub(crate) upgrades: u8,
    pub(crate) leaks: u8,
    pub(crate) builds: u8,
}

/// Scan word of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Scan {
    #[default]
    Unscanned,
    Marker,
    Mutator,
    Scanned,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Root {
    #[default]
    Free,
    Held,
    Zombie,
}

/// The stages of the driver, as in `src/cycle/driver.rs`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Stage {
    #[default]
    Idle,
    Arm,
    ArmBlack,
    ArmStop,
    /// Reads the roots, one by one.
    Roots(u8),
    Mark,
    /// A marker is at this object.
    At(u8),
    Round,
    FinalStop,
    /// Marking is over, weak references are next.
    Clear,
    Off,
    Sweep(u8),
    /// The objects of the span have been swept: these slots will be free.
    Free(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct State {
    pub(crate) live: u8,
    pub(crate) marks: u8,
    /// Allocated black in this cycle.
    pub(crate) fresh: u8,
    /// Allocated by a Black mutator before T2.
    pub(crate) early: u8,
    /// Such a mutator has claimed a cell.
    pub(crate) claimed: bool,
    /// Objects whose pointer was fixed when they were allocated.
    pub(crate) immutable: u8,
    /// In spans to which the sweep of this cycle does not come.
    pub(crate) safe: u8,
    /// Old objects that a minor cycle has to scan: for the next one, and for this one.
    pub(crate) noted: u8,
    pub(crate) again: u8,
    /// In which cycle each object was written last, plus one: a card for each. See `src/barrier/cards.rs`.
    pub(crate) stamps: [u8; OBJECTS as usize],
    /// Slots whose objects were never made.
    pub(crate) unmade: u8,
    /// This cycle is minor; the last one was not abandoned.
    pub(crate) minor: bool,
    pub(crate) whole: bool,
    pub(crate) field: [u8; OBJECTS as usize],
    pub(crate) scan: [Scan; OBJECTS as usize],
    /// Cells whose guard was leaked: locked for good.
    pub(crate) locked: u8,
    pub(crate) root: Root,
    pub(crate) root_object: u8,
    /// It was made in this cycle, by who had a barrier on.
    pub(crate) root_shaded: bool,
    pub(crate) armed: bool,
    pub(crate) weak_cleared: bool,
    pub(crate) m: [Mutator; 2],
    pub(crate) command: Command,
    pub(crate) stage: Stage,
    pub(crate) cycles: u8,
    /// Grey objects on their way to a marker.
    pub(crate) work: u8,
    /// Set aside for a busy cell.
    pub(crate) deferred: u8,
    pub(crate) retried: bool,
    /// Work has been handed over since the round began.
    pub(crate) pushed: bool,
    /// Hybrid arms again.
    pub(crate) leaked: bool,
    pub(crate) abandoned: bool,
    /// Unreachable when the cycle began.
    pub(crate) garbage: u8,
    /// If there is one.
    pub(crate) span: Option<Span>,
    /// If they hear late: what markers have heard of.
    pub(crate) heard: Option<Heard>,
    /// What is wrong with this state.
    pub(crate) wrong: Option<Wrong>,
}

impl State {
    pub(crate) fn field(&self, object: u8) -> u8 {
        self.field[object as usize - 1]
    }

    pub(crate) fn set_field(&mut self, object: u8, value: u8) {
        self.field[object as usize - 1] = value;
    }

    pub(crate) fn scan(&self, object: u8) -> Scan {
        self.scan[object as usize - 1]
    }

    pub(crate) fn set_scan(&mut self, object: u8, scan: Scan) {
        self.scan[object as usize - 1] = scan;
    }

    pub(crate) fn is_marked(&self, object: u8) -> bool {
        self.marks & bit(object) != 0
    }

    /// It lives through this cycle.
    pub(crate) fn is_found(&self, object: u8) -> bool {
        self.found() & bit(object) != 0
    }

    pub(crate) fn found(&self) -> u8 {
        self.marks | self.fresh
    }

    /// What the sweep leaves: that, and what is early.
    pub(crate) fn surviving(&self) -> u8 {
        self.found() | self.early
    }

    /// Everything that the program can reach, on its stacks and in the middle of its stores.
    pub(crate) fn reachable(&self) -> u8 {
        let mut grey = bit(1) | bit(2);
        if self.root == Root::Held {
            grey |= bit(self.root_object);
        }
        for m in &self.m {
            grey |= bit(m.reg) | bit(m.x) | bit(m.v);
        }
        let mut seen = 0;
        while grey != 0 {
            let object = grey.trailing_zeros() as u8 + 1;
            seen |= bit(object);
            grey = (grey | bit(self.field(object))) & !seen;
        }
        seen
    }

    /// Whether an object that the sweep leaves points at this one: reachable or not, it may be scanned or upgraded to later.
    pub(crate) fn is_kept_by_others(&self, object: u8) -> bool {
        let kept = self.live & (self.surviving() | self.safe);
        (1..=OBJECTS).any(|o| kept & bit(o) != 0 && self.field(o) == object)
    }

    /// Mutator `i` writes an object.
    pub(crate) fn stamp(&mut self, config: &Config, i: usize, object: u8) {
        if config.goes_by_cards() && !config.is(Twin::WriteNotStamped) {
            self.stamps[object as usize - 1] = self.m[i].command.cycle + 1;
        }
    }

    /// Whether the minor cycle must look at an old object.
    pub(crate) fn is_written(&self, config: &Config, object: u8) -> bool {
        let lag = u8::from(!config.is(Twin::OldStampsIgnored));
        let stamp = self.stamps[object as usize - 1];
        !config.goes_by_cards() || (stamp != 0 && self.cycles + 1 - stamp <= lag)
    }

    /// Notes an old object.
    pub(crate) fn note(&mut self, config: &Config, object: u8) {
        if config.minor != 0 {
            self.noted |= bit(object);
        }
    }

    /// Whether there is an object in this slot that can be scanned.
    pub(crate) fn is_made(&self, object: u8) -> bool {
        let mut building = self.m.iter().filter(|m| m.op == Op::Build);
        self.unmade & bit(object) == 0 && building.all(|m| m.x != object)
    }

    /// A slot for a new object.
    pub(crate) fn free_slot(&self, config: &Config) -> Option<u8> {
        (config.fresh..=config.objects).find(|&o| self.live & bit(o) == 0)
    }
}
