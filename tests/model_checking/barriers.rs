//! Barriers of users' own. The shipped ones pass every scenario; each wrong one is caught by the scenario that is
//! made for it.

use tricolor_gc::Barrier;
use tricolor_gc::model::{
    Arming, Builder, Ending, NewObjects, Scenario, Shade, Skeleton, Stack, Store, Target,
    WriteBarrier, hide_by_delete, hide_by_straggler, hide_in_new_object, hide_on_stack,
};

use crate::show;

/// Where a cycle has stops, mutators that wait for their end make many executions: the longest scenario is explored
/// less far then. (`src/loom_tests` goes through all of them with two preemptions.)
fn passes(barrier: Barrier) {
    for scenario in Scenario::ALL {
        println!("{barrier}:");
        let long = barrier != Barrier::Hybrid && scenario == Scenario::HideInNewObject;
        let preemptions = if long { 1 } else { scenario.preemptions() };
        let bounds = Builder::new().preemptions(preemptions);
        let report = show(scenario.check_with(&bounds, &barrier)).assert_ok();
        assert!(report.is_complete());
        assert!(report.executions() > 20);
    }
}

#[test]
fn insertion_loses_nothing() {
    passes(Barrier::Insertion);
}

#[test]
fn deletion_loses_nothing() {
    passes(Barrier::Deletion);
}

#[test]
fn hybrid_loses_nothing() {
    passes(Barrier::Hybrid);
}

/// A barrier that is a cycle and a rule.
#[derive(Clone)]
struct Custom(Skeleton, fn(&Store) -> Shade);

impl WriteBarrier for Custom {
    fn skeleton(&self) -> Skeleton {
        self.0
    }

    fn shade(&self, store: &Store) -> Shade {
        (self.1)(store)
    }
}

const INSERTION: Skeleton = Skeleton::of(Barrier::Insertion);
const DELETION: Skeleton = Skeleton::of(Barrier::Deletion);
const HYBRID: Skeleton = Skeleton::of(Barrier::Hybrid);

const HIDDEN: &str = "`hidden` was freed";

/// Two that are right: more shading than needed, and no shading of what needs none.
#[test]
fn other_right_barriers_lose_nothing() {
    let both = Custom(HYBRID, |_| Shade::BOTH);
    show(hide_on_stack(&both)).assert_ok();
    let frugal = Custom(HYBRID, |store| Shade {
        old: store.old == Target::Unmarked,
        new: store.stack == Stack::Grey && store.new == Target::Unmarked,
    });
    show(hide_by_delete(&frugal)).assert_ok();
    show(hide_on_stack(&frugal)).assert_ok();
}

/// No barrier at all: copied into `b`, which is black by then, and deleted from `a`.
#[test]
fn a_barrier_that_shades_nothing() {
    let nothing = Custom(INSERTION, |_| Shade::NOTHING);
    let bounds = Builder::new().preemptions(1);
    let report = Scenario::HideByDelete.check_with(&bounds, &nothing);
    show(report).assert_caught(HIDDEN);
    let nothing = Custom(HYBRID, |_| Shade::NOTHING);
    show(hide_by_delete(&nothing)).assert_caught(HIDDEN);
}

/// Dijkstra's without the last stop: what is on a stack is nobody's.
#[test]
fn insertion_that_ends_by_rounds() {
    let early = Custom(INSERTION.ending(Ending::Rounds), |_| Shade::NEW);
    show(hide_on_stack(&early)).assert_caught(HIDDEN);
    // What it is good for, it does.
    show(hide_by_delete(&early)).assert_ok();
}

/// Yuasa's with white allocation: nothing shades what is stored, so the new object is lost.
#[test]
fn deletion_that_allocates_white() {
    let white = Custom(DELETION.new_objects(NewObjects::White), |_| Shade::OLD);
    show(hide_in_new_object(&white)).assert_caught("`new` was freed");
}

/// Yuasa's that shades the wrong end.
#[test]
fn deletion_that_shades_the_new() {
    let wrong = Custom(DELETION, |_| Shade::NEW);
    show(hide_on_stack(&wrong)).assert_caught(HIDDEN);
}

/// Yuasa's armed by a handshake: an armed mutator has on its stack what an unarmed one deletes.
#[test]
fn deletion_armed_by_a_handshake() {
    let early = Custom(DELETION.arming(Arming::Handshake), |_| Shade::OLD);
    show(hide_by_straggler(&early)).assert_caught(HIDDEN);
}

/// Shades what is overwritten only if it is stored elsewhere: an optimisation that looks sound.
#[test]
fn hybrid_that_forgets_deletions_by_null() {
    let lazy = Custom(HYBRID, |store| Shade {
        old: store.new != Target::Null,
        new: store.stack == Stack::Grey,
    });
    show(hide_on_stack(&lazy)).assert_caught(HIDDEN);
}

/// A report tells the violation and what led to it; bounds are kept and told.
#[test]
fn reports() {
    let nothing = Custom(HYBRID, |_| Shade::NOTHING);
    let report = hide_by_delete(&nothing);
    assert!(!report.is_ok() && !report.is_complete());
    let text = report.to_string();
    for part in [
        "hide by delete: violation",
        "main         drives the cycle: marking",
        "mutator      stores `hidden` over null; shades nothing",
        "main         frees `hidden`",
        "HERE:",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let bounds = Builder::new().max_executions(10);
    let report = Scenario::HideOnStack.check_with(&bounds, &Barrier::Hybrid);
    assert!(report.is_ok() && !report.is_complete());
    assert_eq!(report.executions(), 10);
}
