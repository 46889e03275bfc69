//! Spans from hand to hand: a mutator's cache, the class's lists, whoever sweeps, and the next cycle. Spans have two slots
//! here, so three objects need two.

use super::harness::{
    Bound, Caught, Model, are_caught, begin, cycle, drive, finish, heap, hold, model,
    must_be_freed, mutator, polls, spawn, switch_point,
};
use super::objects::Node;
use crate::cycle::command::Mode;
use crate::cycle::core::Phase;
use crate::heap::layout::MAX_SMALL;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::{Barrier, Gc, GcWeak, Mutation, Mutator, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };
const DEEP: Bound = Bound { preemptions: 3 };

type NodeRoot = Root<Rootable![Node<'_>]>;

const BARRIERS: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

/// Objects 0 and 2 are rooted, 1 and 3 share their spans and are garbage; in the mutator's own span 4 is garbage.
fn graph(main: &mut Mutator) -> [NodeRoot; 2] {
    main.enter(|mc| {
        let roots = [0, 2].map(|number| {
            let root = Root::new(mc, Gc::new(mc, Node::new(number, None)));
            Gc::new(mc, Node::new(number + 1, None));
            root
        });
        Gc::new(mc, Node::new(4, None));
        roots
    })
}

/// A mutator allocates while marking is over, barriers go off and spans are swept, perhaps by itself. All of it lives while it
/// is in use, the garbage of before is gone when the cycle ends, and what its destructor did is seen.
fn allocate(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let roots = graph(&mut main);
    let _ = heap.core().request_new_cycle();
    drive(&heap, |core| core.phase() == Phase::Terminating);
    loom::explore();
    let thread = mutator(&heap, |m| {
        let kept: NodeRoot = m.enter(|mc| {
            let new = [5, 6, 7, 8].map(|number| Gc::new(mc, Node::new(number, None)));
            polls(mc);
            let more = Gc::new(mc, Node::new(9, Some(new[0])));
            new.iter().for_each(|object| object.stamp.lives());
            Root::new(mc, more)
        });
        m.enter(|mc| {
            let kept = kept.get(mc);
            kept.stamp.lives();
            kept.next.get().inspect(|next| next.stamp.lives());
        });
    });
    finish(&heap);
    [1, 3, 4].into_iter().for_each(must_be_freed);
    thread.join().unwrap();
    loom::stop_exploring();
    cycle(&heap);
    loom::explore();
    (5..10).for_each(must_be_freed);
    main.enter(|mc| roots.iter().for_each(|root| root.get(mc).stamp.lives()));
}

type Plain = Root<Rootable![[usize; 2]]>;

/// A plain object that says which it is.
fn plain(mc: &Mutation<'_>, number: usize) -> Plain {
    Root::new(mc, Gc::new(mc, [number; 2]))
}

/// They are what they were made as: nobody else got their memory.
fn are_intact<'a>(mc: &Mutation<'_>, plain: impl IntoIterator<Item = (usize, &'a Plain)>) {
    for (number, root) in plain {
        if *root.get(mc) != [number; 2] {
            violation(format!("object {number} is another"));
        }
    }
}

/// The driver sweeps spans without destructors, which it takes together, one without a live object among them, while a mutator takes
/// some of the same class. What either has is nobody else's.
fn batch(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let old = main.enter(|mc| {
        [0, 1, 2].map(|number| {
            let kept = plain(mc, number);
            drop(plain(mc, 99));
            kept
        })
    });
    main.enter(|mc| [99; 3].map(|number| drop(plain(mc, number))));
    let _ = heap.core().request_new_cycle();
    drive(&heap, |core| core.phase() == Phase::Terminating);
    let beside = heap.clone();
    loom::explore();
    let thread = spawn(move || {
        let mut mutator = beside.attach();
        mutator.enter(|mc| {
            let new = [3, 4, 5, 6].map(|number| plain(mc, number));
            polls(mc);
            new
        })
    });
    finish(&heap);
    let new = thread.join().unwrap();
    loom::stop_exploring();
    // Before another sweep finds out what is alive.
    main.enter(|mc| {
        let more: Vec<_> = (7..19).map(|number| plain(mc, number)).collect();
        are_intact(mc, old.iter().chain(&new).chain(&more).enumerate());
    });
    loom::explore();
}

/// A mutator comes while a cycle runs, allocates, hides an object and goes: with its buffer and its spans handed over.
fn come_and_go(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let [from, to] = graph(&mut main);
    main.enter(|mc| {
        let hidden = Gc::new(mc, Node::new(10, None));
        from.get(mc).next.set(mc, Some(hidden));
    });
    let (from2, to2) = (from.clone(), to.clone());
    begin(&heap);
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let (from, to) = (from2.get(mc), to2.get(mc));
            let new = Gc::new(mc, Node::new(5, from.next.get()));
            Gc::new(mc, Node::new(6, None));
            to.next.set(mc, Some(new));
            switch_point();
            from.next.set(mc, None);
        });
    });
    finish(&heap);
    thread.join().unwrap();
    loom::stop_exploring();
    cycle(&heap);
    loom::explore();
    [1, 3, 4, 6].into_iter().for_each(must_be_freed);
    main.enter(|mc| {
        let mut next = Some(to.get(mc));
        while let Some(node) = next {
            node.stamp.lives();
            next = node.next.get();
        }
    });
}

/// A mutator has half a run when a cycle begins, and allocates from it: an object that takes over a hidden one, and one that
/// nothing but the stack knows.
fn bump(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let [from, to] = graph(&mut main);
    main.enter(|mc| {
        let hidden = Gc::new(mc, Node::new(10, None));
        from.get(mc).next.set(mc, Some(hidden));
        // The first of two in its span.
        Gc::new(mc, Node::new(11, None));
    });
    let marked = heap.clone();
    let _ = heap.core().request_new_cycle();
    loom::explore();
    let marker = spawn(move || finish(&marked));
    main.enter(|mc| {
        let (from, to) = (from.get(mc), to.get(mc));
        let hidden = from.next.get();
        let new = Gc::new(mc, Node::new(5, hidden));
        switch_point();
        from.next.set(mc, None);
        to.next.set(mc, Some(new));
        let last = Gc::new(mc, Node::new(6, None));
        polls(mc);
        last.stamp.lives();
        hidden.inspect(|hidden| hidden.stamp.lives());
    });
    marker.join().unwrap();
    [1, 3, 4, 11].into_iter().for_each(must_be_freed);
    main.enter(|mc| {
        let new = to.get(mc).next.get();
        let hidden = new.and_then(|new| new.next.get());
        [new, hidden]
            .into_iter()
            .flatten()
            .for_each(|object| object.stamp.lives());
    });
}

/// Another thread sweeps all that is left to sweep, as an allocation that finds no memory does, while the driver begins to.
fn sweep_along() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let roots = graph(&mut main);
    let _ = heap.core().request_new_cycle();
    drive(&heap, |core| core.phase() == Phase::Terminating);
    let swept = heap.clone();
    loom::explore();
    let sweeper = spawn(move || {
        for _ in 0..2 {
            let _ = swept.core().sweep_all();
            thread::yield_now();
        }
    });
    finish(&heap);
    [1, 3, 4].into_iter().for_each(must_be_freed);
    sweeper.join().unwrap();
    main.enter(|mc| roots.iter().for_each(|root| root.get(mc).stamp.lives()));
}

/// A large object is made while marking is over, barriers go off and the sweep begins: it is left alone.
fn large(barrier: Barrier) {
    let heap = heap(barrier);
    let _ = heap.core().request_new_cycle();
    drive(&heap, |core| core.phase() == Phase::Terminating);
    loom::explore();
    let thread = mutator(&heap, |m| {
        m.enter(|mc| Gc::slice_from_fn(mc, MAX_SMALL + 1, |_| 0_u8).len());
    });
    finish(&heap);
    thread.join().unwrap();
    let spans = heap.core().space.large.lock().swept.len();
    if spans != 1 {
        violation(format!("{spans} large spans, where one object was made"));
    }
}

/// Hybrid, the second handshake has been asked for: a mutator builds an object in its slot, and comes by polls meanwhile.
fn build() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let root: NodeRoot = main.enter(|mc| Root::new(mc, Gc::new(mc, Node::new(0, None))));
    let _ = heap.core().request_new_cycle();
    drive(&heap, |core| core.command().mode == Mode::Black);
    let marked = heap.clone();
    // Nobody drives on while the mutator answers: it allocates early in this `enter`.
    let driver = heap.core().driver.lock();
    let marker = main.enter(|mc| {
        drop(driver);
        loom::explore();
        let marker = spawn(move || finish(&marked));
        let root = root.get(mc);
        let built = Gc::new_cyclic(mc, |_: GcWeak<'_, Node<'_>>| {
            polls(mc);
            polls(mc);
            Node::new(5, None)
        });
        root.next.set(mc, Some(built));
        polls(mc);
        built.stamp.lives();
        marker
    });
    marker.join().unwrap();
    main.enter(|mc| {
        root.get(mc)
            .next
            .get()
            .inspect(|built| built.stamp.lives())
            .is_some()
    });
}

pub(super) fn models() -> Vec<Model> {
    let mut models = vec![
        model("build while arming".into(), BOUND, build),
        model("second sweeper".into(), DEEP, sweep_along),
    ];
    for barrier in BARRIERS {
        let name = format!("span, {barrier}");
        models.push(model(name, BOUND, move || allocate(barrier)));
        let name = format!("batch of spans, {barrier}");
        models.push(model(name, BOUND, move || batch(barrier)));
        let name = format!("half a run, {barrier}");
        models.push(model(name, BOUND, move || bump(barrier)));
        let name = format!("large, {barrier}");
        models.push(model(name, BOUND, move || large(barrier)));
        let name = format!("come and go, {barrier}");
        models.push(model(name, BOUND, move || come_and_go(barrier)));
    }
    models
}

pub(super) const TWINS: &[Caught] = &[
    ("span, hybrid", Twin::WhiteBeforeSweep),
    ("span, hybrid", Twin::DoneBeforeSwept),
    ("span, hybrid", Twin::CacheKeptAtOff),
    ("batch of spans, hybrid", Twin::PutBeforeSwept),
    ("batch of spans, deletion", Twin::WhiteBeforeSweep),
    ("batch of spans, insertion", Twin::SweepToldByEpoch),
    ("half a run, hybrid", Twin::NotBlackened),
    ("half a run, hybrid", Twin::WhiteBeforeT2),
    ("build while arming", Twin::WhiteBeforeT2),
    ("second sweeper", Twin::SweepingTooEarly),
    ("come and go, deletion", Twin::DetachKeepsSpans),
    ("come and go, insertion", Twin::DetachNoFlush),
    ("come and go, deletion", Twin::DetachBeforeFlush),
    ("come and go, insertion", Twin::AttachesOff),
    ("span, insertion", Twin::WhiteBeforeSweep),
    ("span, deletion", Twin::DoneBeforeSwept),
    ("half a run, insertion", Twin::FinalStopNoFlush),
    ("half a run, deletion", Twin::OldNotShaded),
    ("come and go, hybrid", Twin::DetachBeforeFlush),
    ("large, insertion", Twin::WhiteBeforeSweep),
    ("large, deletion", Twin::WhiteBeforeSweep),
    ("large, hybrid", Twin::WhiteBeforeSweep),
];

#[test]
fn a_span_has_one_owner() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
