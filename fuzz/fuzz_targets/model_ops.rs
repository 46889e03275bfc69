//! The programs of the model test (`tests/model.rs`), from bytes: the heap must agree with the reference after each
//! full cycle, and with the verifier after each.

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/model/fuse.rs"]
mod fuse;
#[path = "../../tests/model/machine.rs"]
mod machine;
#[path = "../../tests/model/node.rs"]
mod node;
#[path = "../../tests/model/op.rs"]
mod op;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use op::{ARRAY, BUDGET, GARBAGE, Op, PLACES, VARIABLES};
use tricolor_gc::{Barrier, Heap, StressConfig};

/// Operations of one program at most.
const LENGTH: usize = 300;

#[derive(Debug)]
struct Program {
    barrier: Barrier,
    markers: usize,
    stress: Option<StressConfig>,
    ops: Vec<Op>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let barrier = *u.choose(&common::BARRIERS)?;
        // Without marker threads the same bytes are the same run.
        let markers = usize::from(u.ratio(1, 8)?);
        let stress = if u.arbitrary()? {
            let every = u.int_in_range(1..=100)?;
            let delay = u.int_in_range(0..=4)?;
            let config = StressConfig::new(u64::from(u.arbitrary::<u8>()?));
            Some(config.cycle_every(every).delay(delay))
        } else {
            None
        };
        let mut ops = Vec::new();
        while !u.is_empty() && ops.len() < LENGTH {
            ops.push(op_from(u)?);
        }
        Ok(Program {
            barrier,
            markers,
            stress,
            ops,
        })
    }
}

/// One operation; each has a number, so that what is in the corpus stays what it is when others are added.
fn op_from(u: &mut Unstructured<'_>) -> Result<Op> {
    let number = u.int_in_range(0..=25)?;
    let below = |u: &mut Unstructured<'_>, n: usize| u.int_in_range(0..=n - 1);
    let from = below(u, VARIABLES)?;
    let other = |u: &mut Unstructured<'_>| below(u, VARIABLES);
    let place = |u: &mut Unstructured<'_>| below(u, PLACES);
    let garbage = |u: &mut Unstructured<'_>| below(u, GARBAGE);
    Ok(match number {
        0 => Op::Allocate {
            to: from,
            garbage: garbage(u)?,
        },
        1 => Op::Link {
            from,
            place: place(u)?,
            to: other(u)?,
        },
        2 => Op::Unlink {
            from,
            place: place(u)?,
        },
        3 => Op::Swap {
            a: from,
            b: other(u)?,
            place: place(u)?,
        },
        4 => Op::Move {
            from,
            to: other(u)?,
            place: place(u)?,
            garbage: garbage(u)?,
        },
        5 => Op::Load {
            to: other(u)?,
            from,
            place: place(u)?,
        },
        6 => Op::Replace {
            to: other(u)?,
            from,
            place: place(u)?,
        },
        7 => Op::Clone {
            to: other(u)?,
            from,
        },
        8 => Op::Drop { variable: from },
        9 => Op::Buoy { behind: from },
        10 => Op::DropElsewhere { buoy: from },
        11 => Op::Push {
            from,
            to: other(u)?,
        },
        12 => Op::Hold {
            from,
            to: other(u)?,
            garbage: garbage(u)?,
        },
        13 => Op::Clear { from },
        14 => Op::Nest {
            from,
            to: other(u)?,
            at: below(u, 4)?,
        },
        15 => Op::Array {
            from,
            len: below(u, ARRAY + 1)?,
        },
        16 => Op::Store {
            from,
            to: other(u)?,
            at: below(u, ARRAY)?,
        },
        17 => Op::Weaken {
            from,
            to: other(u)?,
        },
        18 => Op::Upgrade {
            to: other(u)?,
            from,
        },
        19 => Op::Leak {
            from,
            to: other(u)?,
        },
        20 => Op::Panic {
            from,
            place: place(u)?,
        },
        21 => Op::Guest {
            from,
            place: place(u)?,
        },
        22 => Op::Switch,
        // Of its bytes nothing else is left.
        23 if from < 2 => Op::Light {
            destructor: from == 0,
        },
        23 => Op::Detach,
        24 => Op::Collect,
        _ => Op::Step {
            budget: below(u, BUDGET)?,
        },
    })
}

fuzz_target!(|program: Program| {
    let mut heap = Heap::builder()
        .barrier(program.barrier)
        .marker_threads(program.markers)
        .min_heap(16 << 10);
    if let Some(stress) = program.stress {
        heap = heap.stress(stress);
    }
    machine::run(
        heap.build().expect("the settings are in range"),
        &program.ops,
        7,
    );
});
