//! The gate and the handshake by themselves: who owns a mutator's state, what is seen by the next owner, and what the driver may take for
//! granted when all have answered. No cycle runs, but for the stop that arms one: small enough for orderings to be judged.

use super::harness::{
    Bound, Caught, Model, are_caught, begin, heap, hold, model, mutator, spawn, switch_point,
};
use super::objects::Node;
use crate::cycle::command::{Command, Mode};
use crate::cycle::core::Core;
use crate::cycle::gate::Gate;
use crate::cycle::mutator::MutatorState;
use crate::mark::worklist::Take;
use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicUsize;
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::sync::witness::Witness;
use crate::sync::{Arc, thread};
use crate::{Barrier, Gc, Heap, Mutation, Mutator};

const DEEP: Bound = Bound { preemptions: 3 };
const BOUND: Bound = Bound { preemptions: 2 };

/// A gate, and what belongs to its owner.
struct Owned {
    gate: Gate,
    state: Witness,
}

/// A mutator goes in and out while `holders` others hold its gate when they can: the driver, and its thread at the boundary of another
/// of its mutators.
fn owners(holders: usize) {
    let owned = Arc::new(Owned {
        gate: Gate::new(),
        state: Witness::default(),
    });
    let held: Vec<_> = (0..holders).map(|_| owned.clone()).collect();
    loom::explore();
    let threads: Vec<_> = held
        .into_iter()
        .map(|owned| {
            spawn(move || {
                for _ in 0..2 {
                    if owned.gate.hold() {
                        owned.state.write();
                        switch_point();
                        owned.state.write();
                        owned.gate.release();
                    }
                }
            })
        })
        .collect();
    for _ in 0..2 {
        while !owned.gate.enter() {
            thread::yield_now();
        }
        owned.state.write();
        switch_point();
        owned.state.write();
        owned.gate.exit();
    }
    for holder in threads {
        holder.join().unwrap();
    }
}

/// What a handshake is about. Mutators use one thing under the command of before and another under the new one; the driver makes the second
/// before it asks, and has the first to itself when all have answered.
struct Asked {
    old: Witness,
    new: Witness,
    /// An object to be shaded.
    object: usize,
    /// How often that was done under the command of before.
    shaded: AtomicUsize,
}

impl Asked {
    /// What belongs to the mode is used, and as long as it is the old one something is put in the buffer.
    fn work(&self, mc: &Mutation<'_>, mode: Mode) {
        if mode != Mode::Off {
            return self.new.read();
        }
        self.old.read();
        mc.state().tracer().edges.push(self.object);
        self.shaded.fetch_add(1, Ordering::Relaxed);
    }

    /// In the mode in which the mutator is.
    fn work_now(&self, mc: &Mutation<'_>) {
        self.work(mc, mc.state().mode.get());
    }

    /// The driver asks, and goes on when `ask` says that all have answered.
    fn drive(&self, heap: &Heap, ask: impl FnOnce(&Heap)) {
        self.new.write();
        ask(heap);
        self.old.write();
        let (worklist, mut handed_over) = (&heap.core().worklist, 0);
        worklist.open();
        while let Take::Block(block) = worklist.take(true) {
            handed_over += block.len();
        }
        if handed_over != self.shaded.load(Ordering::Relaxed) {
            violation("all have answered, and something is in a buffer".to_owned());
        }
    }
}

/// Publishes the command of Insertion's arming, or one like it that may be adopted anywhere, and waits until all have adopted it.
fn handshake(core: &Core, boundary: bool) {
    let command = core.registry.publish(Command {
        mode: Mode::Insertion,
        boundary,
        ..core.command()
    });
    while !core.all_answered(command.seq) {
        thread::yield_now();
    }
}

/// A heap in which nobody has been asked for anything.
fn quiet() -> (Heap, Mutator, Arc<Asked>) {
    let heap = heap(Barrier::Deletion);
    let mut main = heap.attach();
    let asked = Asked {
        old: Witness::default(),
        new: Witness::default(),
        object: main.enter(|mc| Gc::address(Gc::new(mc, Node::new(0, None)))),
        shaded: AtomicUsize::new(0),
    };
    (heap, main, Arc::new(asked))
}

/// A thread that drives.
fn driver(
    heap: &Heap,
    asked: &Arc<Asked>,
    ask: impl FnOnce(&Heap) + Send + 'static,
) -> thread::JoinHandle<()> {
    let (heap, asked) = (heap.clone(), asked.clone());
    spawn(move || asked.drive(&heap, ask))
}

/// A mutator goes in and out.
fn in_and_out() {
    let (heap, mut main, asked) = quiet();
    loom::explore();
    let driver = driver(&heap, &asked, |heap| handshake(heap.core(), true));
    for _ in 0..2 {
        main.enter(|mc| asked.work_now(mc));
    }
    driver.join().unwrap();
}

/// A mutator stays inside, and polls. What needs a boundary it does not adopt there: what it holds is of before.
fn polls(boundary: bool) {
    let (heap, mut main, asked) = quiet();
    loom::explore();
    let driver = driver(&heap, &asked, move |heap| {
        handshake(heap.core(), boundary);
    });
    main.enter(|mc| {
        let entered = mc.state().mode.get();
        for _ in 0..2 {
            thread::yield_now();
            mc.state().poll();
            let now = mc.state().mode.get();
            asked.work(mc, if boundary { entered } else { now });
        }
    });
    driver.join().unwrap();
}

/// One is attached and goes again.
fn come_and_go(ask: impl FnOnce(&Heap) + Send + 'static) {
    let (heap, main, asked) = quiet();
    drop(main);
    loom::explore();
    let driver = driver(&heap, &asked, ask);
    heap.attach().enter(|mc| asked.work_now(mc));
    driver.join().unwrap();
}

/// The same beside one that goes in and out.
fn two_threads() {
    let (heap, mut main, asked) = quiet();
    let works = asked.clone();
    loom::explore();
    let driver = driver(&heap, &asked, |heap| handshake(heap.core(), true));
    let other = mutator(&heap, move |m| m.enter(|mc| works.work_now(mc)));
    main.enter(|mc| asked.work_now(mc));
    driver.join().unwrap();
    other.join().unwrap();
}

/// A thread has two mutators, and enters one inside the other: the two are in one mode.
fn mates(boundary: bool) {
    let (heap, mut inner, asked) = quiet();
    let mut outer = heap.attach();
    loom::explore();
    let driver = driver(&heap, &asked, move |heap| {
        handshake(heap.core(), boundary);
    });
    outer.enter(|mc| {
        let mode = mc.state().mode.get();
        asked.work(mc, mode);
        inner.enter(|mc| {
            // What may be adopted anywhere may be so as this one enters.
            if boundary && mc.state().mode.get() != mode {
                violation("one mutator of a thread has turned, and the other not".to_owned());
            }
            asked.work_now(mc);
        });
    });
    driver.join().unwrap();
}

/// A mutator stays inside until it is told that somebody waits.
fn stays() {
    let (heap, mut main, asked) = quiet();
    loom::explore();
    let driver = driver(&heap, &asked, |heap| handshake(heap.core(), true));
    main.enter(|mc| {
        asked.work_now(mc);
        if mc.state().mode.get() != Mode::Off {
            return;
        }
        for _ in 0..6 {
            if mc.should_yield() {
                return;
            }
            thread::yield_now();
        }
        violation("the driver waits, and the mutator is not told".to_owned());
    });
    driver.join().unwrap();
}

/// A cycle of Deletion arms by a stop while a mutator goes in and out.
fn stop() {
    let (heap, mut main, asked) = quiet();
    loom::explore();
    let driver = driver(&heap, &asked, begin);
    for _ in 0..2 {
        main.enter(|mc| asked.work_now(mc));
    }
    driver.join().unwrap();
}

/// The same beside a mutator that is outside: none turns while another is inside.
fn stop_of_two() {
    let (heap, mut main, _) = quiet();
    let driven = heap.clone();
    loom::explore();
    let driver = spawn(move || {
        let _outside = driven.attach();
        begin(&driven);
    });
    for _ in 0..2 {
        main.enter(|mc| {
            let seq = mc.state().command.get().seq;
            thread::yield_now();
            let as_far = |other: &MutatorState| other.acked.load(Ordering::Relaxed) == seq;
            if !heap.core().registry.all(as_far) {
                violation("one mutator has turned, and another is inside".to_owned());
            }
        });
    }
    driver.join().unwrap();
}

pub(super) fn models() -> Vec<Model> {
    vec![
        model("gate, one holder".into(), DEEP, || owners(1)),
        model("gate, two holders".into(), DEEP, || owners(2)),
        model("gate, in and out".into(), DEEP, in_and_out),
        model("gate, polls".into(), DEEP, || polls(false)),
        model("gate, polls before a boundary".into(), DEEP, || polls(true)),
        model("gate, come and go".into(), DEEP, || {
            come_and_go(|heap| handshake(heap.core(), true));
        }),
        model("gate, two threads".into(), BOUND, two_threads),
        model("gate, mates, anywhere".into(), DEEP, || mates(false)),
        model("gate, mates, at a boundary".into(), DEEP, || mates(true)),
        model("gate, stays".into(), DEEP, stays),
        model("gate, stop".into(), DEEP, stop),
        model("gate, stop, come and go".into(), DEEP, || {
            come_and_go(begin);
        }),
        model("gate, stop of two".into(), BOUND, stop_of_two),
    ]
}

pub(super) const TWINS: &[Caught] = &[
    ("gate, one holder", Twin::EnterDoesNotTake),
    ("gate, one holder", Twin::HoldDoesNotTake),
    ("gate, one holder", Twin::GateNotReleased),
    ("gate, one holder", Twin::GateNotAcquired),
    ("gate, two holders", Twin::HoldDoesNotTake),
    ("gate, two holders", Twin::GateNotReleased),
    ("gate, in and out", Twin::LetsGoFirst),
    ("gate, in and out", Twin::AdoptsUngated),
    ("gate, in and out", Twin::AnswerNotReleased),
    ("gate, in and out", Twin::CommandNotReleased),
    ("gate, in and out", Twin::NobodyIsAsked),
    ("gate, polls", Twin::AnswerBeforeFlush),
    ("gate, polls", Twin::NoFlush),
    ("gate, polls before a boundary", Twin::PollCountsAsBoundary),
    ("gate, come and go", Twin::AttachesOff),
    ("gate, come and go", Twin::PublishedUnlocked),
    ("gate, come and go", Twin::DetachBeforeFlush),
    ("gate, come and go", Twin::DetachNoFlush),
    ("gate, two threads", Twin::NobodyIsAsked),
    ("gate, mates, anywhere", Twin::MateNotHeld),
    ("gate, mates, at a boundary", Twin::MateTurnsAlone),
    ("gate, stays", Twin::YieldNotAsked),
    ("gate, stop", Twin::StopTakesSome),
    ("gate, stop of two", Twin::DeletionWithoutStop),
    ("gate, stop, come and go", Twin::EntersDuringStop),
    ("gate, stop, come and go", Twin::AttachedEntersStop),
];

#[test]
fn one_owner_at_a_time_and_no_answer_too_early() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
