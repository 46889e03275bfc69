//! Random programs against a plain reference heap: what the reference reaches is there, with its contents; what it does
//! not reach is dropped, once, by a full cycle.

mod common;
#[path = "model/fuse.rs"]
mod fuse;
#[path = "model/machine.rs"]
mod machine;
#[path = "model/node.rs"]
mod node;
#[path = "model/op.rs"]
mod op;

use std::hash::{BuildHasher, RandomState};

use machine::run;
use op::{ARRAY, BUDGET, GARBAGE, Op, PLACES, VARIABLES};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tricolor_gc::{Barrier, Heap, StressConfig};

/// A random operation; those that build come more often than those that take down.
fn op() -> impl Strategy<Value = Op> {
    let v = || 0..VARIABLES;
    let p = || 0..PLACES;
    let g = || 0..GARBAGE;
    let len = prop_oneof![4 => 0..20_usize, 1 => 0..=ARRAY];
    prop_oneof![
        8 => (v(), g()).prop_map(|(to, garbage)| Op::Allocate { to, garbage }),
        10 => (v(), p(), v()).prop_map(|(from, place, to)| Op::Link { from, place, to }),
        4 => (v(), p()).prop_map(|(from, place)| Op::Unlink { from, place }),
        4 => (v(), v(), p()).prop_map(|(a, b, place)| Op::Swap { a, b, place }),
        4 => (v(), v(), p(), g()).prop_map(|(from, to, place, garbage)| {
            Op::Move { from, to, place, garbage }
        }),
        6 => (v(), v(), p()).prop_map(|(to, from, place)| Op::Load { to, from, place }),
        4 => (v(), v(), p()).prop_map(|(to, from, place)| Op::Replace { to, from, place }),
        3 => (v(), v()).prop_map(|(to, from)| Op::Clone { to, from }),
        3 => v().prop_map(|variable| Op::Drop { variable }),
        2 => v().prop_map(|behind| Op::Buoy { behind }),
        1 => v().prop_map(|buoy| Op::DropElsewhere { buoy }),
        5 => (v(), v()).prop_map(|(from, to)| Op::Push { from, to }),
        2 => (v(), v(), g()).prop_map(|(from, to, garbage)| Op::Hold { from, to, garbage }),
        2 => v().prop_map(|from| Op::Clear { from }),
        3 => (v(), v(), 0..4_usize).prop_map(|(from, to, at)| Op::Nest { from, to, at }),
        1 => (v(), len).prop_map(|(from, len)| Op::Array { from, len }),
        3 => (v(), v(), 0..ARRAY).prop_map(|(from, to, at)| Op::Store { from, to, at }),
        4 => (v(), v()).prop_map(|(from, to)| Op::Weaken { from, to }),
        4 => (v(), v()).prop_map(|(to, from)| Op::Upgrade { to, from }),
        1 => (v(), v()).prop_map(|(from, to)| Op::Leak { from, to }),
        1 => (v(), p()).prop_map(|(from, place)| Op::Panic { from, place }),
        1 => (v(), p()).prop_map(|(from, place)| Op::Guest { from, place }),
        2 => Just(Op::Switch),
        1 => Just(Op::Detach),
        2 => Just(Op::Collect),
        6 => (1..BUDGET).prop_map(|budget| Op::Step { budget }),
        1 => any::<bool>().prop_map(|destructor| Op::Light { destructor }),
    ]
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Cases of each barrier; `TRICOLOR_MODEL_CASES` asks for more. A failing case is shrunk and printed, with the seed that
/// `TRICOLOR_MODEL_SEED` takes.
fn check(barrier: Barrier, markers: usize, stress: bool) {
    let cases = setting("TRICOLOR_MODEL_CASES").unwrap_or(30) as u32;
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let seed = setting("TRICOLOR_MODEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let programs = (prop::collection::vec(op(), 1..250), any::<u64>());
    let result = TestRunner::new_with_rng(config, random).run(&programs, |(ops, seed)| {
        let mut heap = Heap::builder()
            .barrier(barrier)
            .marker_threads(markers)
            .min_heap(16 << 10);
        if stress {
            heap = heap.stress(StressConfig::new(seed).cycle_every(40));
        }
        let every = match seed % 8 {
            0 => 1,
            1..4 => 16,
            _ => usize::MAX,
        };
        run(heap.build().unwrap(), &ops, every);
        Ok::<(), TestCaseError>(())
    });
    if let Err(failure) = result {
        panic!(
            "{barrier}, {markers} markers, stress {stress}, TRICOLOR_MODEL_SEED={seed}: {failure}"
        );
    }
}

fn check_all(barrier: Barrier) {
    for stress in [false, true] {
        for markers in 0..3 {
            check(barrier, markers, stress);
        }
    }
}

#[test]
fn random_programs_under_insertion() {
    check_all(Barrier::Insertion);
}

#[test]
fn random_programs_under_deletion() {
    check_all(Barrier::Deletion);
}

#[test]
fn random_programs_under_hybrid() {
    check_all(Barrier::Hybrid);
}

#[test]
fn random_programs_with_stops() {
    check_all(Barrier::StopTheWorld);
}
