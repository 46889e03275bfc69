//! `GcSlot` under the three barriers: the three ways to hide an object from the marker, a straggler that arms late, and
//! two mutators that write one slot. The models run whole cycles, so the twins of the handshakes are here too.

use super::harness::{
    Bound, Caught, EVERY, Model, are_caught, begin, cycle, drive, finish, heap, hold, model,
    must_be_freed, mutator, polls, spawn, switch_point,
};
use super::objects::Node;
use crate::cycle::command::Mode;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Mutator, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };
const THREE_THREADS: Bound = Bound { preemptions: 1 };
/// They yield where it matters.
const IN_TURN: Bound = Bound { preemptions: 0 };

type NodeRoot = Root<Rootable![Node<'_>]>;

const BARRIERS: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

/// How an object is hidden from the marker.
#[derive(Clone, Copy, Debug)]
enum Hiding {
    /// Loaded from one object, stored into another, deleted from the first.
    Delete,
    /// Loaded and deleted; only the stack has it.
    Stack,
    /// As `Delete`, into an object made meanwhile.
    NewObject,
}

/// Objects 0 and 1, rooted; 0 → 2; 3 is garbage.
fn graph(main: &mut Mutator) -> (NodeRoot, NodeRoot) {
    main.enter(|mc| {
        let hidden = Gc::new(mc, Node::new(2, None));
        Gc::new(mc, Node::new(3, None));
        let a = Gc::new(mc, Node::new(0, Some(hidden)));
        let b = Gc::new(mc, Node::new(1, None));
        // In this order, so that markers come to `b` first.
        let b = Root::new(mc, b);
        (Root::new(mc, a), b)
    })
}

/// Everything that can be reached from the roots is there.
fn check(main: &mut Mutator, roots: [&NodeRoot; 2]) {
    main.enter(|mc| {
        for root in roots {
            let mut next = Some(root.get(mc));
            while let Some(node) = next {
                node.stamp.lives();
                next = node.next.get();
            }
        }
    });
}

/// One mutator hides object 2 while a cycle runs.
fn hide(barrier: Barrier, hiding: Hiding) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (a, b) = graph(&mut main);
    let (a2, b2) = (a.clone(), b.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let (a, b) = (a2.get(mc), b2.get(mc));
            let Some(hidden) = a.next.get() else { return };
            match hiding {
                Hiding::Delete => b.next.set(mc, Some(hidden)),
                Hiding::Stack => {}
                Hiding::NewObject => b
                    .next
                    .set(mc, Some(Gc::new(mc, Node::new(4, Some(hidden))))),
            }
            switch_point();
            a.next.set(mc, None);
            polls(mc);
            hidden.stamp.lives();
        });
    });
    cycle(&heap);
    thread.join().unwrap();
    must_be_freed(3);
    check(&mut main, [&a, &b]);
}

/// One mutator deletes the reference to object 2, perhaps before its barrier is on; another, perhaps armed, has it on its
/// stack, and stores it.
fn straggle(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (a, b) = graph(&mut main);
    let (a2, a3, b2) = (a.clone(), a.clone(), b.clone());
    loom::explore();
    let deletes = mutator(&heap, move |m| {
        m.enter(|mc| {
            thread::yield_now();
            a2.get(mc).next.set(mc, None);
        });
    });
    let keeps = mutator(&heap, move |m| {
        m.enter(|mc| {
            let Some(hidden) = a3.get(mc).next.get() else {
                return;
            };
            polls(mc);
            hidden.stamp.lives();
            b2.get(mc).next.set(mc, Some(hidden));
        });
    });
    cycle(&heap);
    deletes.join().unwrap();
    keeps.join().unwrap();
    must_be_freed(3);
    check(&mut main, [&a, &b]);
}

/// Insertion. Two mutators write one slot: what the first stores, the second overwrites; the first takes it out again.
fn race() {
    let heap = heap(Barrier::Insertion);
    let mut main = heap.attach();
    let (a, b) = graph(&mut main);
    let (a2, a3) = (a.clone(), a.clone());
    loom::explore();
    let first = mutator(&heap, move |m| {
        m.enter(|mc| {
            thread::yield_now();
            a2.get(mc)
                .next
                .set(mc, Some(Gc::new(mc, Node::new(4, None))));
        });
        thread::yield_now();
        m.enter(|mc| {
            let Some(taken) = a2.get(mc).next.get() else {
                return;
            };
            polls(mc);
            taken.stamp.lives();
        });
    });
    let second = mutator(&heap, move |m| m.enter(|mc| a3.get(mc).next.set(mc, None)));
    cycle(&heap);
    first.join().unwrap();
    second.join().unwrap();
    must_be_freed(3);
    check(&mut main, [&a, &b]);
}

/// Hybrid, the first handshake has been asked for. What the first, inside since before the cycle, puts in the slot, the second overwrites,
/// Grey, and the first has taken it out again.
fn race_arming() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let (a, b) = graph(&mut main);
    let (driven, a2) = (heap.clone(), a.clone());
    let threads = main.enter(|mc| {
        let _ = heap.core().request_new_cycle();
        drive(&heap, |core| core.command().mode == Mode::Grey);
        loom::explore();
        let driver = spawn(move || finish(&driven));
        let second = mutator(&heap, move |m| m.enter(|mc| a2.get(mc).next.set(mc, None)));
        thread::yield_now();
        let new = Gc::new(mc, Node::new(4, None));
        // An exchange too: loom lets one come after a store that it has not read.
        let _ = a.get(mc).next.swap(mc, Some(new));
        [driver, second]
    });
    main.enter(|mc| {
        let Some(taken) = a.get(mc).next.get() else {
            return;
        };
        polls(mc);
        taken.stamp.lives();
    });
    for thread in threads {
        thread.join().unwrap();
    }
    must_be_freed(3);
    check(&mut main, [&a, &b]);
}

/// Deletion, markers are about to start. Two overwrite object 2, which the first has taken out: whoever does so first shades it.
fn race_armed() {
    let heap = heap(Barrier::Deletion);
    let mut main = heap.attach();
    let (a, b) = graph(&mut main);
    begin(&heap);
    let (driven, a2) = (heap.clone(), a.clone());
    loom::explore();
    let driver = spawn(move || finish(&driven));
    let second = mutator(&heap, move |m| m.enter(|mc| a2.get(mc).next.set(mc, None)));
    main.enter(|mc| {
        let slot = &a.get(mc).next;
        let taken = slot.get();
        switch_point();
        slot.set(mc, Some(Gc::new(mc, Node::new(4, None))));
        polls(mc);
        taken.inspect(|taken| taken.stamp.lives());
    });
    driver.join().unwrap();
    second.join().unwrap();
    must_be_freed(3);
    check(&mut main, [&a, &b]);
}

fn hiding() -> Vec<Model> {
    let mut models = Vec::new();
    for barrier in EVERY {
        for hiding in [Hiding::Delete, Hiding::Stack, Hiding::NewObject] {
            let name = format!("hide: {hiding:?}, {barrier}");
            models.push(model(name, BOUND, move || hide(barrier, hiding)));
        }
    }
    models
}

/// Hybrid. A mutator that still allocates early puts object 4 into a slot, and another, which allocates black, overwrites it: the
/// markers come to 4 by what that one has shaded, before the first has handed anything over.
fn overwrite() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let (a, _b) = graph(&mut main);
    let _ = heap.core().request_new_cycle();
    drive(&heap, |core| core.command().mode == Mode::Black);
    let (driven, a2) = (heap.clone(), a.clone());
    // Nobody drives on while the mutator answers: it allocates early in this `enter`.
    let driver = heap.core().driver.lock();
    let threads = main.enter(|mc| {
        drop(driver);
        loom::explore();
        let marker = spawn(move || finish(&driven));
        let overwrites = mutator(&heap, move |m| {
            m.enter(|mc| {
                polls(mc);
                a2.get(mc).next.set(mc, None);
            });
        });
        let new = Gc::new(mc, Node::new(4, None));
        a.get(mc).next.set(mc, Some(new));
        (0..12).for_each(|_| thread::yield_now());
        new.stamp.lives();
        [marker, overwrites]
    });
    for thread in threads {
        thread.join().unwrap();
    }
    must_be_freed(3);
}

fn straggling() -> Vec<Model> {
    BARRIERS
        .map(|barrier| {
            let name = format!("straggler, {barrier}");
            model(name, THREE_THREADS, move || straggle(barrier))
        })
        .into()
}

fn racing() -> Vec<Model> {
    vec![
        model("racing writers, insertion".into(), THREE_THREADS, race),
        model("racing writers, hybrid".into(), THREE_THREADS, race_arming),
        model("racing writers, deletion".into(), THREE_THREADS, race_armed),
        model("overwritten while arming".into(), IN_TURN, overwrite),
    ]
}

pub(super) fn models() -> Vec<Model> {
    [hiding(), straggling(), racing()]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) const TWINS: &[Caught] = &[
    ("hide: Delete, insertion", Twin::NoBarrier),
    ("hide: Delete, insertion", Twin::NewNotShaded),
    ("hide: Delete, insertion", Twin::HoldDoesNotTake),
    ("hide: Stack, insertion", Twin::InsertionWithoutStop),
    ("hide: Stack, insertion", Twin::StopTakesSome),
    ("hide: Stack, deletion", Twin::NoBarrier),
    ("hide: Delete, deletion", Twin::OldNotShaded),
    ("hide: Stack, deletion", Twin::StopTakesSome),
    ("hide: Stack, deletion", Twin::EntersDuringStop),
    ("hide: Delete, hybrid", Twin::NoBarrier),
    ("hide: Stack, hybrid", Twin::OldNotShaded),
    ("hide: NewObject, hybrid", Twin::OldNotShaded),
    ("hide: NewObject, hybrid", Twin::WhiteBeforeT2),
    ("hide: Stack, hybrid", Twin::NoRound),
    ("hide: Stack, hybrid", Twin::NoFlush),
    ("hide: Stack, hybrid", Twin::AnswerBeforeFlush),
    ("hide: Stack, hybrid", Twin::NobodyIsAsked),
    ("hide: Stack, deletion", Twin::PollsBeforeShade),
    ("hide: Stack, hybrid", Twin::PollsBeforeShade),
    ("hide: Stack, stop-the-world", Twin::StopTakesSome),
    ("hide: Stack, stop-the-world", Twin::EntersDuringStop),
    ("hide: NewObject, stop-the-world", Twin::AttachedEntersStop),
    ("straggler, deletion", Twin::DeletionWithoutStop),
    ("straggler, hybrid", Twin::OneHandshake),
    ("straggler, hybrid", Twin::MarksAtT1),
    ("straggler, hybrid", Twin::PollCountsAsBoundary),
    ("hide: Delete, deletion", Twin::RoundNotClean),
    ("hide: NewObject, insertion", Twin::FinalStopNoFlush),
    ("hide: NewObject, insertion", Twin::AttachedEntersStop),
    ("hide: Delete, stop-the-world", Twin::EntersDuringStop),
    ("hide: NewObject, deletion", Twin::OldNotShaded),
    ("straggler, insertion", Twin::NewNotShaded),
    ("racing writers, insertion", Twin::NewNotShaded),
    ("racing writers, deletion", Twin::OldNotShaded),
    ("racing writers, hybrid", Twin::OldNotShaded),
    ("racing writers, hybrid", Twin::LoadThenStore),
    ("overwritten while arming", Twin::SlotNotAcquired),
];

#[test]
fn hidden_objects_are_found() {
    hold(hiding());
}

#[test]
fn stragglers_lose_nothing() {
    hold(straggling());
}

#[test]
fn racing_writers_lose_nothing() {
    hold(racing());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
