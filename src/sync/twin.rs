//! Broken twins: weakened versions of the protocols, compiled from the code that ships.
//!
//! A model checker that finds nothing may be looking at nothing. So each protocol has twins, in which one step is left
//! out or moved, and a model must find what that breaks. The weakened spot asks [`is`], which is a constant `false`
//! outside `cfg(tricolor_loom)` and costs nothing there; under loom a test chooses the twin for the models it runs. (In a
//! build for [planted bugs](super::planted) a variable of the environment does.) Twins of orderings are loom's only: its atomics
//! ask, see `relax`.

macro_rules! twins {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What is left out.
        #[cfg_attr(not(tricolor_loom), allow(dead_code, reason = "those of orderings are made by `relax`"))]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Twin {
            $($(#[$doc])* $name,)*
        }

        #[cfg(all(test, tricolor_loom))]
        impl Twin {
            pub(crate) const ALL: &[Twin] = &[$(Twin::$name,)*];
        }
    };
}

twins! {
    /// A store to a slot shades nothing.
    NoBarrier,
    /// A store to a slot does not shade what it overwrites.
    OldNotShaded,
    /// A store to a slot does not shade what it stores.
    NewNotShaded,
    /// What a Black mutator allocates before T2 is white.
    WhiteBeforeT2,
    /// It lives although the cycle arms again.
    EarlyKept,
    /// It counts as found.
    EarlyFound,
    /// It is as what is allocated later: not scanned, wherever it is found.
    EarlyIsBlack,
    /// A Black mutator that claims a cell before T2 does not say so.
    ClaimNotSaid,
    /// A poll comes between a store to a slot and its shading.
    PollsBeforeShade,
    /// A poll comes between the claim of a cell and its tracing.
    PollsInClaim,
    /// While Hybrid arms, too, a store to a slot is a load and a store.
    LoadThenStore,
    /// What is put in a slot is not released to who takes it out.
    SlotNotReleased,
    /// Who takes something out of a slot does not acquire it.
    SlotNotAcquired,
    /// A write to a cell claims nothing and shades nothing.
    NoClaim,
    /// A Grey mutator claims cells as a Black one does.
    GreyClaims,
    /// Its own cells need no barrier although others may be Black, and it has had a shared one.
    GreyNeedsNothing,
    /// A Grey mutator needs no barrier for shared cells that nobody has claimed, although others may be Black.
    SharedNeedsNothing,
    /// A Grey mutator that was alone believes that it still is.
    AloneForGood,
    /// A marker publishes a cell as scanned before it has traced the contents.
    ScannedBeforeTrace,
    /// A write access to a cell ends without shading and without giving the cell back.
    EndNotShaded,
    /// A mutator does not wait for the marker that is at a cell.
    WriterDoesNotWait,
    /// A marker reads cells without a claim.
    MarkerDoesNotClaim,
    /// A marker that meets a busy cell does not set the object aside.
    BusyNotSetAside,
    /// A cell counts as scanned although one inside it was busy.
    OuterCellScanned,
    /// A handshake waits for nobody.
    NobodyIsAsked,
    /// A stop does not wait for mutators that are inside.
    StopTakesSome,
    /// A mutator enters while all are wanted outside.
    EntersDuringStop,
    /// The collector acts for a mutator that is outside without taking the gate.
    HoldDoesNotTake,
    /// A mutator answers before it hands over its buffer.
    AnswerBeforeFlush,
    /// A mutator answers without handing over its buffer.
    NoFlush,
    /// What a mutator did before it answered is not released to the collector.
    AnswerNotReleased,
    /// Commands that need an empty stack are adopted at polls.
    PollCountsAsBoundary,
    /// Deletion arms by a handshake instead of a stop.
    DeletionWithoutStop,
    /// Hybrid arms by one handshake, after which mutators are Black.
    OneHandshake,
    /// Hybrid starts markers when the first handshake is answered.
    MarksAtT1,
    /// A guard leaked in Grey mode does not make the cycle arm by a stop.
    LeakIgnored,
    /// Marking ends when the worklist runs dry, without a round.
    NoRound,
    /// A round is compared with what has been pushed when mutators have been asked.
    RoundNotedLate,
    /// Insertion ends with a round.
    InsertionWithoutStop,
    /// The step to Terminating does not look at the worklist under the weak list's lock.
    UpgradeNotSeen,
    /// A weak upgrade of an unmarked object shades nothing.
    UpgradeNotShaded,
    /// A weak upgrade shades into the mutator's own buffer.
    UpgradeShadedAtHome,
    /// No cycle looks at a weak box that is old.
    OldBoxesPassedOver,
    /// A weak box that is fresh, or whose target is, counts as old.
    FreshBoxesPassedOver,
    /// Roots dropped while marking are released at once.
    RootsNotArmed,
    /// A root is taken for shaded that was made before the cycle.
    RootsTakenForShaded,
    /// An upgrade that has waited, answering handshakes, uses the address that it read before.
    StaleAfterWait,
    /// A segment of the root table is freed though a mutator has a slot of it.
    ShrinksTaken,
    /// A root that was shaded in one cycle is taken for shaded in the next.
    ShadedKept,
    /// A new root does not shade its target.
    RootNotShaded,
    /// A root counts before it has its object.
    RootCountedFirst,
    /// What was done with a slot of the root table is not released to who takes it.
    RootSlotNotReleased,
    /// A marker is made before it takes its first block.
    MarkerBeforeBlock,
    /// A mutator detaches without saying that it leaked a guard.
    DetachForgetsLeak,
    /// The thread that has to run a destructor is told before it can find it.
    OwnerToldFirst,
    /// A thread that has looked for its destructors forgets that it was told meanwhile.
    ToldForgotten,
    /// A new mutator asks for destructors that wait before it can be told.
    MailAskedFirst,
    /// It does not ask.
    MailNotAsked,
    /// A handshake does not see who has been attached inside a mutator that it has waited for.
    AnswersReadOnce,
    /// A stop does not see who has been attached inside a mutator that it has waited for.
    StopReadsListOnce,
    /// A panic of a `trace` in a marker does not abandon the cycle.
    PanicForgotten,
    /// A panic of a `trace` in a barrier does not abandon the cycle.
    BarrierPanicForgotten,
    /// A cell whose `trace` panicked stays busy.
    BusyAfterPanic,
    /// A marker whose `trace` panicked stays counted as active.
    ActiveAfterPanic,
    /// The runs that a mutator has when it turns Black stay white.
    NotBlackened,
    /// Cycles share a scan id.
    ScanIdKept,
    /// The scan id changes when mutators have been asked to arm.
    ScanIdLate,
    /// A mutator answers before it says that it leaked a guard.
    LeakAfterAnswer,
    /// Claims set before a leaked guard was noticed stay.
    ClaimsKept,
    /// Roots dropped while Hybrid or Deletion arms are released at once.
    RootsArmedLate,
    /// Roots dropped while marking are not scanned.
    ZombiesNotScanned,
    /// A root that was made while its maker's barrier was on is not new.
    ShadedNotNew,
    /// Or it is new no more after the scan that finds it.
    ShadedNoLongerNew,
    /// A scan takes the new bit away whatever root there is by now.
    NewTakenFromAnother,
    /// A segment is called settled without the lock.
    SettledUnlocked,
    /// It is still when slots of it have been taken.
    TakenStaysSettled,
    /// Disarming calls segments unmarked.
    MarkedTakenBackEarly,
    /// A scan that finds a zombie does not tell the segment.
    ZombieNotTold,
    /// A marker that retires forgets what it set aside.
    DeferredForgotten,
    /// A marker that retires forgets its edges.
    EdgesForgotten,
    /// A round ends marking although work turned up in it.
    RoundNotClean,
    /// The final stop does not hand over buffers.
    FinalStopNoFlush,
    /// A guard leaked under Insertion does not abandon the cycle.
    InsertionLeakIgnored,
    /// Marking ends without the phase saying so.
    PhaseKept,
    /// Marking ends outside the weak list's lock.
    OverWithoutLock,
    /// Weak references are cleared before marking is over.
    ClearedEarly,
    /// Weak references to dead objects are not cleared.
    NotCleared,
    /// In an abandoned cycle, too, weak references to what is not marked are cleared.
    ClearedWhenAbandoned,
    /// A weak pointer's target is not released to who upgrades it.
    WeakNotReleased,
    /// What is not marked counts as dead before marking is over.
    LostTooEarly,
    /// New weak references are not handed over.
    NewWeakForgotten,
    /// An upgrade does not ask whether marking is over.
    UpgradeTooLate,
    /// An upgrade that has waited for the lock does not look at the mark again.
    UpgradeLooksOnce,
    /// An upgrade hands its object over outside the lock.
    UpgradeUnlocked,
    /// A mutator that attaches during a stop enters at once.
    AttachedEntersStop,
    /// A mutator that attaches takes no command.
    AttachesOff,
    /// A mutator detaches with its buffer.
    DetachNoFlush,
    /// A mutator hands its buffer over when it has detached.
    DetachBeforeFlush,
    /// A mutator detaches with its spans.
    DetachKeepsSpans,
    /// A mutator keeps its spans when its barrier goes off.
    CacheKeptAtOff,
    /// The sweep begins before all barriers are off.
    SweepBeforeOff,
    /// Spans are taken from the lists before the sweep begins.
    TakesUnsweptSpans,
    /// New objects are white between the end of marking and the sweep.
    WhiteBeforeSweep,
    /// They are old.
    OldBeforeSweep,
    /// What is allocated black is old.
    BlackIsOld,
    /// A span counts as swept before it is.
    DoneBeforeSwept,
    /// The spans of a batch are put on their lists before they are swept, too.
    PutBeforeSwept,
    /// A claim in a barrier shades nothing.
    ClaimNotTraced,
    /// A scanned cell needs no barrier under Insertion.
    InsertionNeedsNothing,
    /// A root's slot stays free when it is taken.
    SlotLeftFree,
    /// The last handle is dropped by a load and a store.
    DroppedByAStore,
    /// Who drops the last handle looks at the segment once more.
    TouchedAfterDrop,
    /// A root that was dropped while the table was armed is released by a store.
    ZombieReleasedByAStore,
    /// Who asks whether a root has been dropped does not keep segments from being freed.
    LooksWithoutLock,
    /// Markers at work are not counted.
    ActiveNotCounted,
    /// The worklist still gives blocks away when a cycle is abandoned.
    OpenWhenAbandoned,
    /// A marker that gives up its work forgets the slice it was at.
    RestsForgotten,
    /// The worklist gives blocks away while a cycle arms.
    WorklistStaysOpen,
    /// A thread of the pool that has found nothing to do does not see that its heap was woken meanwhile.
    PokeForgotten,
    /// A thread of the pool that could not look at its heap takes the wake-up with it.
    MissForgotten,
    /// A thread of the pool that could not look at its heap does not see that who did has left.
    EndNotSeen,
    /// A thread of the pool that takes a heap does not see to the next in the queue.
    QueueNotHandedOn,
    /// A heap goes while a thread of the pool is inside.
    LeaveDoesNotWait,
    /// The step to Terminating asks whether the worklist is dry, not whether work has come and gone.
    DryIsEnough,
    /// Weak references handed over while the list is gone through are lost.
    NewWeakDropped,
    /// The phase says that the sweep is on before it begins.
    SweepingTooEarly,
    /// A marker whose `trace` panicked abandons the cycle when it has retired.
    AbandonsLate,
    /// The final stop does not ask for objects that are set aside.
    SetAsideIgnored,
    /// The final stop looks at what was set aside beside a marker at work.
    ForceBesideMarker,
    /// A mutator that is entered inside a newer one of its thread stays behind it.
    InnerStaysBehind,
    /// A mutator that is attached inside another takes the newest scan id.
    AttachedScansAhead,
    /// The final stop calls marking over before it looks for leaked guards.
    LeakSeenLate,
    /// A minor cycle follows an abandoned one.
    MinorAfterAbandoned,
    /// A cycle may begin, as a minor one, while somebody asks for a full one.
    AskedWithoutLock,
    /// Writes leave no stamps on cards.
    WriteNotStamped,
    /// Under Insertion, too, old objects that have not been written are passed over.
    CardsUnderInsertion,
    /// Nor does a marker stamp the card of a mutable fresh object that it makes old.
    FreshNotStamped,
    /// Nor that of an early one, which may have got a cell that counts as scanned, and in that a fresh object.
    EarlyNotStamped,
    /// Stamps of older cycles count for nothing.
    OldStampsIgnored,
    /// A minor cycle does not scan what was noted.
    NotedForgotten,
    /// The sweep does not note old mutable objects.
    OldNotNoted,
    /// The contents of an immutable object that was allocated black and has become old stay young.
    FreshNotScanned,
    /// Markers pass over what was allocated black.
    FreshPassedOver,
    /// The sweep leaves the marks of what was allocated black.
    FreshKept,
    /// It is not told of such objects.
    FreshNotTold,
    /// A slot whose object was not made does not say so.
    UnmadeNotSaid,
    /// A mutator tells by the epoch, which minor cycles share, whether the sweep has begun.
    SweepToldByEpoch,
    /// A mutator tells by the epoch that a cycle is over whose marking it did not take part in (StopTheWorld).
    OffToldByEpoch,
    /// A mutator goes inside by a look and a store.
    EnterDoesNotTake,
    /// What was done with a state is not released to the next owner of its gate.
    GateNotReleased,
    /// The next owner does not acquire it.
    GateNotAcquired,
    /// What was set up for a command is not released to who adopts it.
    CommandNotReleased,
    /// A command is published while somebody attaches.
    PublishedUnlocked,
    /// A mutator adopts a command before it has its gate.
    AdoptsUngated,
    /// The collector lets a mutator go before it has adopted for it.
    LetsGoFirst,
    /// A mutator that is outside turns though its thread is inside through another.
    MateTurnsAlone,
    /// A thread at its boundary answers for its other mutators without their gates.
    MateNotHeld,
    /// Nobody tells a mutator that is inside that it is waited for.
    YieldNotAsked,
    /// A marker counts as active a moment after it has its block.
    ActiveCountedLate,
    /// A block that is pushed does not count.
    PushNotCounted,
    /// The worklist is closed a moment after it was found dry.
    ClosedLate,
    /// A marker does not count as active any more when it gives back what it has.
    RetiresFirst,
    /// What is set aside counts as done.
    AsideIsDone,
}

/// Whether the code runs as this twin: the one that `TRICOLOR_TWIN` names, see [`planted`](super::planted).
#[cfg(all(tricolor_twin = "planted", not(tricolor_loom)))]
pub(crate) fn is(twin: Twin) -> bool {
    super::planted::is(twin as usize, twin)
}

/// Whether the code runs as this twin.
#[cfg(not(any(tricolor_twin = "planted", tricolor_loom)))]
#[inline(always)]
pub(crate) const fn is(_: Twin) -> bool {
    false
}

#[cfg(tricolor_loom)]
pub(crate) use switch::is;
#[cfg(all(test, tricolor_loom))]
pub(crate) use switch::with;

#[cfg(tricolor_loom)]
mod switch {
    use core::cell::Cell;

    use super::Twin;

    std::thread_local! {
        static TWIN: Cell<Option<Twin>> = const { Cell::new(None) };
    }

    /// Whether the code runs as this twin.
    pub(crate) fn is(twin: Twin) -> bool {
        TWIN.get() == Some(twin)
    }

    /// Runs `f` with the code as a twin, or as it ships.
    #[cfg(test)]
    pub(crate) fn with<R>(twin: Option<Twin>, f: impl FnOnce() -> R) -> R {
        struct Reset;
        impl Drop for Reset {
            fn drop(&mut self) {
                TWIN.set(None);
            }
        }
        TWIN.set(twin);
        let _reset = Reset;
        f()
    }
}
