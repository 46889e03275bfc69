//! What is allocated black while a cycle marks, and after it until the sweep begins: it lives through the cycle and is young in the next,
//! unless a marker has come to it.
//!
//! A first cycle, which is full, makes objects old (outside the exploration); the second and the third are minor.

use super::harness::{
    Bound, Caught, EVERY, Model, are_caught, cycle, drive, finish, heap, hold, model,
    must_be_freed, mutator, polls, spawn,
};
use super::minor::{Shelf, ShelfRoot, ask, check_shelf, mark, minor, minor_alone, shelf, walk};
use super::objects::{Fixed, Link, Node};
use crate::cycle::command::Mode;
use crate::cycle::core::Phase;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, GcRefCell, Heap, Mutation, Mutator, Root, Rootable};

type NodeRoot = Root<Rootable![Node<'_>]>;

const BOUND: Bound = Bound { preemptions: 2 };
/// With three threads; two preemptions are a hundred thousand executions.
const SMALL: Bound = Bound { preemptions: 1 };

/// A minor cycle's barriers go off. A mutator makes object 5 after it has answered, publishes it and goes on to store the new object 6 into
/// it. Another, which still allocates black, makes the immutable object 7 of what was published, and takes it off the shelf. `keeps`: the
/// first one's spans stay with it, or the sweep comes to them.
fn off(barrier: Barrier, keeps: bool) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let shelf = main.enter(|mc| shelf(mc, 0));
    cycle(&heap);
    mark(&heap);
    let (driven, shelf2) = (heap.clone(), shelf.clone());
    let maker = main.enter(|mc| {
        // The rest of a run, for an allocation that does not poll.
        Gc::new(mc, Fixed::new(8, None));
        loom::explore();
        let driver = spawn(move || finish(&driven));
        let maker = mutator(&heap, move |m| {
            m.enter(|mc| {
                let shelf = shelf2.get(mc);
                mc.state().poll();
                let made = Gc::new(mc, Node::new(5, None));
                shelf.node.set(mc, Some(made));
                polls(mc);
                let late = Gc::new(mc, Node::new(6, None));
                made.next.set(mc, Some(late));
            });
            if keeps {
                // Its spans, from the sweep.
                driver.join().unwrap();
            }
        });
        thread::yield_now();
        let shelf = shelf.get(mc);
        if let Some(taken) = shelf.node.get() {
            let fixed = Gc::new(mc, Fixed::new(7, Some(taken)));
            shelf.fixed.set(mc, Some(fixed));
            shelf.node.set(mc, None);
        }
        maker
    });
    maker.join().unwrap();
    minor_alone(&heap);
    check_shelf(&mut main, &shelf);
}

/// A minor cycle marks. A mutator makes something and puts it on an old shelf, before a marker comes there or after.
fn black(barrier: Barrier, make: for<'gc> fn(&'gc Mutation<'gc>, &Shelf<'gc>)) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let shelf = main.enter(|mc| shelf(mc, 0));
    cycle(&heap);
    ask(&heap);
    drive(&heap, |core| core.phase() == Phase::Marking);
    let shelf2 = shelf.clone();
    loom::explore();
    let maker = mutator(&heap, move |m| {
        m.enter(|mc| make(mc, &shelf2.get(mc)));
    });
    thread::yield_now();
    finish(&heap);
    maker.join().unwrap();
    minor_alone(&heap);
    check_shelf(&mut main, &shelf);
}

/// The immutable object 5 and, in it, 6.
fn black_fixed(barrier: Barrier) {
    black(barrier, |mc, shelf| {
        let made = Gc::new(mc, Node::new(6, None));
        let fixed = Gc::new(mc, Fixed::new(5, Some(made)));
        shelf.fixed.set(mc, Some(fixed));
    });
}

/// 5, which may change, and in it 6.
fn black_mutable(barrier: Barrier) {
    black(barrier, |mc, shelf| {
        let made = Gc::new(mc, Node::new(6, None));
        let holder = Gc::new(mc, Node::new(5, Some(made)));
        shelf.node.set(mc, Some(holder));
    });
}

/// A minor cycle marks. A mutator makes 5, and in it 6, and a root of it, before the roots are scanned or after.
fn rooted(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let _shelf = main.enter(|mc| shelf(mc, 0));
    cycle(&heap);
    ask(&heap);
    drive(&heap, |core| core.phase() == Phase::Marking);
    loom::explore();
    let made_in = heap.clone();
    let maker = spawn(move || {
        made_in.attach().enter(|mc| -> NodeRoot {
            let inner = Gc::new(mc, Node::new(6, None));
            Root::new(mc, Gc::new(mc, Node::new(5, Some(inner))))
        })
    });
    thread::yield_now();
    finish(&heap);
    let root = maker.join().unwrap();
    minor_alone(&heap);
    main.enter(|mc| walk(Some(root.get(mc))));
}

/// What one mutator allocates black another makes part of an immutable slice, which is early.
fn early_of_black(barrier: Barrier) {
    let (heap, mut main, shelf) = about_to_build_early(barrier);
    let mut driver = None;
    let built: Root<Rootable!['gc => [Link<'gc>]]> = main.enter(|mc| {
        let from = shelf.get(mc);
        let slice = Gc::slice_from_fn(mc, 1, |_| {
            driver = Some(others_allocate_black(&heap, &shelf));
            from.node.get()
        });
        from.node.set(mc, None);
        Root::new(mc, slice)
    });
    driver.unwrap().join().unwrap();
    minor_alone(&heap);
    main.enter(|mc| walk(built.get(mc)[0]));
}

/// The same, but it puts it into a cell on its stack, which it claims, and which moves into the slice.
fn cell_of_black(barrier: Barrier) {
    let (heap, mut main, shelf) = about_to_build_early(barrier);
    let mut driver = None;
    let built: Root<Rootable!['gc => [GcRefCell<Link<'gc>>]]> = main.enter(|mc| {
        let from = shelf.get(mc);
        let slice = Gc::slice_from_fn(mc, 1, |_| {
            driver = Some(others_allocate_black(&heap, &shelf));
            let cell = GcRefCell::new(None);
            *cell.borrow_mut(mc) = from.node.get();
            cell
        });
        from.node.set(mc, None);
        Root::new(mc, slice)
    });
    driver.unwrap().join().unwrap();
    minor_alone(&heap);
    main.enter(|mc| walk(*built.get(mc)[0].borrow()));
}

/// A mutator that is going to turn Black and to allocate early, in a cycle that arms and may be minor; and what it has.
fn about_to_build_early(barrier: Barrier) -> (Heap, Mutator, ShelfRoot) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let shelf = main.enter(|mc| shelf(mc, 0));
    cycle(&heap);
    ask(&heap);
    drive(&heap, |core| core.command().mode == Mode::Black);
    // The other one's boundary would drive the cycle on.
    drop(main);
    let main = heap.attach();
    (heap, main, shelf)
}

/// The exploration begins: the cycle goes on, and another mutator puts the new object 5 on the shelf. Who drives the cycle.
fn others_allocate_black(heap: &Heap, shelf: &ShelfRoot) -> thread::JoinHandle<()> {
    let (driven, shelf2) = (heap.clone(), shelf.clone());
    loom::explore();
    let driver = spawn(move || finish(&driven));
    mutator(heap, move |m| {
        m.enter(|mc| {
            let made = Gc::new(mc, Node::new(5, None));
            shelf2.get(mc).node.set(mc, Some(made));
        });
    });
    thread::yield_now();
    driver
}

/// The colour of what was allocated black comes again two cycles later, when other objects lie in the slots: the shelf 3, and on it 4.
fn colour(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let _kept = main.enter(|mc| shelf(mc, 0));
    cycle(&heap);
    ask(&heap);
    drive(&heap, |core| core.phase() == Phase::Terminating);
    main.enter(|mc| {
        polls(mc);
        [1, 2]
            .into_iter()
            .for_each(|number| drop(shelf(mc, number)));
    });
    finish(&heap);
    minor(&heap);
    let again = main.enter(|mc| {
        let shelf = shelf(mc, 3);
        let on_it = Gc::new(mc, Fixed::new(4, None));
        shelf.get(mc).fixed.set(mc, Some(on_it));
        shelf
    });
    loom::explore();
    minor(&heap);
    must_be_freed(1);
    must_be_freed(2);
    check_shelf(&mut main, &again);
}

/// A name, which says what happens, the barriers under which it does, and how many preemptions.
type Scene = (&'static str, &'static [Barrier], Bound, fn(Barrier));

/// Barriers under which objects are black while a cycle marks.
const BLACK: &[Barrier] = &[Barrier::Deletion, Barrier::Hybrid];

const SCENES: &[Scene] = &[
    ("off", &EVERY, BOUND, |barrier| off(barrier, true)),
    ("off and gone", &EVERY, BOUND, |barrier| off(barrier, false)),
    ("black", BLACK, BOUND, black_fixed),
    ("black, mutable", BLACK, BOUND, black_mutable),
    ("rooted", BLACK, BOUND, rooted),
    ("early of black", &[Barrier::Hybrid], SMALL, early_of_black),
    ("cell of black", &[Barrier::Hybrid], SMALL, cell_of_black),
    ("colour", BLACK, BOUND, colour),
];

pub(super) fn models() -> Vec<Model> {
    let models_of = |&(name, barriers, bound, program): &Scene| {
        barriers.iter().map(move |&barrier| {
            model(format!("fresh, {name}, {barrier}"), bound, move || {
                program(barrier);
            })
        })
    };
    SCENES.iter().flat_map(models_of).collect()
}

pub(super) const TWINS: &[Caught] = &[
    ("fresh, off and gone, hybrid", Twin::WhiteBeforeSweep),
    ("fresh, off and gone, insertion", Twin::WhiteBeforeSweep),
    ("fresh, off and gone, hybrid", Twin::SweepToldByEpoch),
    ("fresh, black, hybrid", Twin::FreshNotScanned),
    ("fresh, black, deletion", Twin::FreshNotScanned),
    ("fresh, early of black, hybrid", Twin::FreshPassedOver),
    ("fresh, colour, hybrid", Twin::FreshKept),
    ("fresh, colour, deletion", Twin::FreshKept),
    ("fresh, black, hybrid", Twin::FreshNotTold),
    ("fresh, black, mutable, hybrid", Twin::FreshNotStamped),
    ("fresh, black, mutable, deletion", Twin::FreshNotStamped),
    ("fresh, rooted, hybrid", Twin::ShadedNotNew),
    ("fresh, rooted, deletion", Twin::ShadedNotNew),
    ("fresh, cell of black, hybrid", Twin::EarlyNotStamped),
    ("fresh, off, insertion", Twin::BlackIsOld),
    ("fresh, off, deletion", Twin::BlackIsOld),
    ("fresh, off, hybrid", Twin::BlackIsOld),
    ("fresh, off, stop-the-world", Twin::WriteNotStamped),
    ("fresh, off and gone, deletion", Twin::BlackIsOld),
    (
        "fresh, off and gone, stop-the-world",
        Twin::OldStampsIgnored,
    ),
];

#[test]
fn fresh_objects_live_and_stay_young() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
