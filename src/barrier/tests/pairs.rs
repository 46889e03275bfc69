//! Two threads on two sides of a handshake, one store, and what moves values and cells before and after it: all of these, or a sample.
//!
//! A random program seldom has both threads where it matters. These begin where it does, as the collector is driven one `advance` at a
//! time, and what comes then is enumerated ([`Program`]): a move × a store × a move, in the window of Hybrid ([`window`]; the module header
//! of `barrier`), and while an object is built in an early slot when others allocate black already ([`built`]; `cards`). What else may be this
//! way or that, a full cycle or not, guards leaked or not ([`Chance`]), is drawn by the program's number, so that a number is always the same
//! program. After the cycle, and one more that may be minor, no leaf that can be reached is dead. Under Insertion, which has neither, the
//! same programs fall into the beginning of the marking; Deletion and StopTheWorld arm in a stop, with all threads on one side.
//!
//! A sample runs: every [`STRIDE`]th program under Hybrid, and under Insertion every [`SPARSE`]th. With `TRICOLOR_PAIRS=all` in the environment
//! each does, some minutes in a release build (`ci/stress.sh`); with a number there, that one alone. That the sample finds what is wrong is
//! shown by [twins](crate::sync::twin) of the barriers, in the build of `ci/planted.sh`.

use core::cell::RefCell;
use core::iter::StepBy;
use core::ops::Range;
use std::sync::mpsc::channel;

mod actor;
mod other;
mod scene;
mod words;

use actor::Actor;
use other::{Other, Turn, serve};
use scene::{Graves, OwnRoot, SharedRoot};
use words::{Chance, Kind, Move, Program};

use crate::cycle::command::{Command, Mode};
use crate::cycle::core::Core;
use crate::cycle::driver::{Advance, Driver};
use crate::mark::marker::Marker;
use crate::sync::atomic::Ordering;
use crate::{Barrier, Heap, Mutator};

/// Prime, and of no length of a list of words: so each word is in the sample, beside each other one.
const STRIDE: usize = 97;
const SPARSE: usize = 211;

/// The numbers of the programs that run, of which every so many are the sample.
fn numbers(stride: usize) -> StepBy<Range<usize>> {
    match std::env::var("TRICOLOR_PAIRS") {
        Err(_) => (0..Program::ALL).step_by(stride),
        Ok(all) if all == "all" => (0..Program::ALL).step_by(1),
        Ok(number) => {
            let number = number.parse().expect("`all`, or a number");
            (number..number + 1).step_by(1)
        }
    }
}

/// The heap, the other thread, and the cycle.
struct Stage<'a> {
    heap: &'a Heap,
    shared: &'a SharedRoot,
    graves: &'a Graves,
    other: Other,
    /// Whoever holds its lock drives alone.
    driver: RefCell<(&'a mut Driver, Option<Marker>)>,
}

impl Stage<'_> {
    fn core(&self) -> &Core {
        self.heap.core()
    }

    fn advance(&self, budget: u64) -> Advance {
        let (driver, marker) = &mut *self.driver.borrow_mut();
        let outcome = self.core().advance(driver, marker, budget);
        if outcome != Advance::Progress
            && let Some(marker) = marker.take()
        {
            self.core().retire_marker(marker);
        }
        outcome
    }

    /// As the core does, but wakes nobody.
    fn request(&self, full: bool) {
        let number = self.core().started.load(Ordering::Relaxed) + 1;
        if full {
            self.core().full.fetch_max(number, Ordering::Relaxed);
        }
        self.core().wanted.fetch_max(number, Ordering::Relaxed);
    }

    /// To the end of the cycle. Nobody is inside.
    fn finish(&self) {
        let steps = (0..1000).take_while(|_| self.advance(1 << 20) != Advance::Idle);
        assert!(steps.count() < 1000, "the cycle does not end");
    }

    fn cycle(&self, full: bool) {
        self.request(full);
        self.finish();
    }

    /// The other thread enters, unless it would have to wait.
    fn other_enters(&self) {
        if !self.core().command().stop {
            self.other.does(Turn::Enter);
        }
    }

    fn other_leaves(&self) {
        if self.other.is_inside() {
            self.other.does(Turn::Leave);
        }
    }

    /// What it has adopted, if it is inside.
    fn other_does(&self, turn: Turn) -> Option<Command> {
        let inside = self.other.is_inside();
        inside.then(|| self.other.does(turn))
    }

    /// The other thread goes through a boundary, and the cycle one step further meanwhile.
    fn other_passes(&self) {
        self.other_leaves();
        let _ = self.advance(1);
        self.other_enters();
    }

    fn is_hybrid(&self) -> bool {
        self.heap.core().config.barrier == Barrier::Hybrid
    }
}

/// This thread reads the slot, which the other one empties, and takes the value out of a shared cell, which the other one claims. Then comes
/// what the program says.
fn words(stage: &Stage<'_>, actor: &Actor<'_, '_>, program: &Program) {
    let early = program.draws(Chance::Early, 4);
    if early {
        actor.act(Move::TAKE, &mut || ());
    }
    actor.read();
    let late = program.draws(Chance::Late, 4);
    if !late {
        stage.other_does(Turn::Clear);
    }
    if program.build.is_none() {
        stage.other_passes();
    }
    let command = stage.other_does(Turn::Claim);
    if stage.is_hybrid() {
        assert!(command.is_some_and(|command| command.mode == Mode::Black));
    }
    if late {
        stage.other_does(Turn::Clear);
    }
    if !early {
        actor.act(Move::TAKE, &mut || ());
    }
    let mut store = || actor.store(program.store);
    if program.draws(Chance::Encloses, 2) {
        actor.act(program.first, &mut store);
    } else {
        actor.act(program.first, &mut || ());
        store();
    }
    actor.act(program.last, &mut || ());
    if program.draws(Chance::Again, 3) {
        stage.other_passes();
        stage.other_does(Turn::Claim);
    }
}

/// The other thread is inside when the cycle begins, and has no barrier when it takes from the slot what this one has read. Then it goes
/// through a boundary, and is Black while this one is Grey.
fn window(stage: &Stage<'_>, mutator: &mut Mutator, own: &OwnRoot, program: &Program) {
    stage.other_enters();
    stage.request(program.draws(Chance::Full, 2));
    let _ = stage.advance(1);
    mutator.enter(|mc| {
        if stage.is_hybrid() {
            assert_eq!(mc.state().mode.get(), Mode::Grey);
        }
        let leaks = program.draws(Chance::Leaks, 8);
        let actor = Actor::new(stage.heap, mc, own, stage.shared, leaks);
        words(stage, &actor, program);
        actor.come_home();
    });
}

/// This thread is Black before T2, and builds an object. T2 passes, and the other one allocates meanwhile, and
/// puts what it has made into the slot, or leaves there what is white.
fn built(stage: &Stage<'_>, mutator: &mut Mutator, own: &OwnRoot, program: &Program, build: Kind) {
    stage.request(program.draws(Chance::Full, 2));
    let _ = stage.advance(1);
    mutator.enter(|_| ());
    let _ = stage.advance(1);
    mutator.enter(|mc| {
        let leaks = program.draws(Chance::Leaks, 8);
        let actor = Actor::new(stage.heap, mc, own, stage.shared, leaks);
        let early = mc.state().command.get();
        actor.build(build, &mut || {
            let _ = stage.advance(1);
            stage.other_enters();
            if stage.is_hybrid() {
                assert_eq!((early.mode, early.boundary), (Mode::Black, true));
                assert_eq!(mc.state().command.get().seq, early.seq);
            }
            if !program.draws(Chance::White, 4) {
                stage.other_does(Turn::Put);
            }
            words(stage, &actor, program);
        });
        actor.come_home();
    });
}

/// Runs it with cells and values of its own. How many leaves there are at the end, if all of them live.
fn run(stage: &Stage<'_>, mutator: &mut Mutator, program: &Program) -> Option<usize> {
    let own = mutator.enter(|mc| {
        scene::reset(mc, &stage.shared.get(mc), stage.graves);
        scene::own(mc)
    });
    if program.draws(Chance::Old, 2) {
        stage.cycle(true);
    }
    match program.build {
        None => window(stage, mutator, &own, program),
        Some(build) => built(stage, mutator, &own, program, build),
    }
    if program.draws(Chance::Stays, 2) {
        let _ = (stage.advance(64), stage.advance(64));
    }
    stage.other_leaves();
    stage.finish();
    stage.cycle(false);
    mutator.enter(|mc| {
        let leaves = scene::leaves(mc, &stage.shared.get(mc), &own.get(mc));
        let live = leaves.iter().all(|&leaf| !stage.graves.has(leaf));
        live.then_some(leaves.len())
    })
}

fn run_all(barrier: Barrier, stride: usize) {
    let heap = &Heap::builder()
        .barrier(barrier)
        .marker_threads(0)
        .build()
        .unwrap();
    let (mut mutator, graves) = (heap.attach(), &Graves::default());
    let shared = &mutator.enter(|mc| scene::shared(mc));
    let (mut programs, mut with_leaves) = (0, 0);
    std::thread::scope(|scope| {
        let ((tell, told), (say, said)) = (channel(), channel());
        scope.spawn(move || serve(heap, shared, graves, &told, &say));
        let other = Other::new(tell, said);
        let driver = &mut *heap.core().driver.lock();
        let driver = RefCell::new((driver, None));
        let stage = Stage {
            heap,
            shared,
            graves,
            other,
            driver,
        };
        for number in numbers(stride) {
            let program = Program::number(number);
            let leaves = run(&stage, &mut mutator, &program)
                .unwrap_or_else(|| panic!("a leaf is dead after {number}, {program:?}"));
            programs += 1;
            with_leaves += usize::from(leaves != 0);
        }
    });
    println!("{barrier}: {programs} programs, {with_leaves} with leaves at the end");
    assert!(with_leaves >= programs / 2);
}

#[test]
fn hybrid_keeps_what_is_stored_between_handshakes() {
    run_all(Barrier::Hybrid, STRIDE);
}

#[test]
fn insertion_keeps_what_is_stored_between_handshakes() {
    run_all(Barrier::Insertion, SPARSE);
}

/// Errors that the sample must find.
#[cfg(tricolor_twin = "planted")]
mod planted {
    use std::process::Command;
    use std::time::{Duration, Instant};

    /// Longer than the sample takes, with the verifier, on a busy machine.
    const TIME: Duration = Duration::from_secs(60);

    /// The programs in a process of their own, as this twin.
    fn is_found(barrier: &str, twin: &str) {
        let began = Instant::now();
        let test =
            format!("barrier::tests::pairs::{barrier}_keeps_what_is_stored_between_handshakes");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .env("TRICOLOR_TWIN", twin)
            .output()
            .unwrap();
        let time = began.elapsed();
        let text = String::from_utf8_lossy(&child.stderr);
        let mut lines = text.lines();
        let report =
            lines.find(|line| line.contains("a leaf is dead") || line.contains("verifier:"));
        let found = !child.status.success() && time < TIME;
        assert!(found, "{twin} was not found, {barrier}, {time:.1?}");
        println!(
            "{twin}, {barrier}: found after {time:.1?}: {}",
            report.expect("a report")
        );
    }

    #[test]
    fn stores_without_a_barrier_in_cells_that_others_have_claimed_are_found() {
        is_found("hybrid", "GreyNeedsNothing");
    }

    #[test]
    fn early_objects_that_hold_what_is_fresh_without_a_stamp_are_found() {
        is_found("hybrid", "EarlyNotStamped");
    }

    #[test]
    fn stores_that_shade_too_little_are_found() {
        is_found("hybrid", "OldNotShaded");
        is_found("hybrid", "NewNotShaded");
        is_found("insertion", "NewNotShaded");
    }

    #[test]
    fn writes_that_claim_nothing_or_shade_nothing_are_found() {
        is_found("hybrid", "ClaimNotTraced");
        is_found("insertion", "NoClaim");
    }
}
