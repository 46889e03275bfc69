//! Destructors that must run at home: the sweep, on one thread, sends dead objects to the thread that made them, which goes in and
//! out meanwhile, or becomes a mutator again. At its first boundary after the cycle it has dropped them.

use super::harness::{
    Bound, Caught, Model, are_caught, cycle, heap, hold, model, must_be_freed, spawn,
};
use super::objects::AtHome;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Heap, Mutator};

const BOUND: Bound = Bound { preemptions: 2 };

/// In two spans, of which each is told.
const OBJECTS: [usize; 3] = [2, 3, 4];

/// A heap with objects that have no root, and their maker.
fn objects() -> (Heap, Mutator) {
    let heap = heap(Barrier::Deletion);
    let mut main = heap.attach();
    main.enter(|mc| {
        for number in OBJECTS {
            Gc::new(mc, AtHome::new(number));
        }
    });
    (heap, main)
}

/// The maker looks for its letters while they are sent.
fn looked_for() {
    let (heap, mut main) = objects();
    let driven = heap.clone();
    loom::explore();
    let driver = spawn(move || cycle(&driven));
    for _ in 0..2 {
        thread::yield_now();
        main.enter(|_| ());
    }
    driver.join().unwrap();
    main.enter(|_| ());
    OBJECTS.into_iter().for_each(must_be_freed);
}

/// The maker has gone, and comes back while they are sent.
fn attached_again() {
    let (heap, main) = objects();
    drop(main);
    let driven = heap.clone();
    loom::explore();
    let driver = spawn(move || cycle(&driven));
    let mut main = heap.attach();
    driver.join().unwrap();
    main.enter(|_| ());
    OBJECTS.into_iter().for_each(must_be_freed);
}

/// The maker goes while they are sent. What comes later waits for the next mutator of the thread.
fn detached() {
    let (heap, main) = objects();
    let driven = heap.clone();
    loom::explore();
    let driver = spawn(move || cycle(&driven));
    drop(main);
    driver.join().unwrap();
    // Which looks again when it goes.
    let mut next = heap.attach();
    next.enter(|_| ());
    OBJECTS.into_iter().for_each(must_be_freed);
}

pub(super) fn models() -> Vec<Model> {
    vec![
        model("letters, looked for".into(), BOUND, looked_for),
        model("letters, attached again".into(), BOUND, attached_again),
        model("letters, detached".into(), BOUND, detached),
    ]
}

pub(super) const TWINS: &[Caught] = &[
    ("letters, looked for", Twin::OwnerToldFirst),
    ("letters, looked for", Twin::ToldForgotten),
    ("letters, attached again", Twin::MailAskedFirst),
    ("letters, detached", Twin::MailNotAsked),
];

#[test]
fn destructors_run_at_home() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
