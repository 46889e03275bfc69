//! What is put where other mutators find it: slots with each of their operations, with the barrier off and on, and a weak
//! pointer that is known before its object is made. The reader must see the object as it was made.

use super::harness::{
    Bound, Caught, Model, are_caught, begin, finish, heap, hold, model, mutator, switch_point,
};
use super::objects::{Node, Weak};
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::{Barrier, Gc, GcSlot, GcWeak, Mutation, Mutator, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 3 };

type NodeRoot = Root<Rootable![Node<'_>]>;

/// How a slot is written, or read.
#[derive(Clone, Copy, Debug)]
enum By {
    /// `set`, `get`.
    Plain,
    Swap,
    CompareExchange,
}

fn write<'gc>(by: By, mc: &Mutation<'gc>, slot: &Node<'gc>) {
    let new = Some(Gc::new(mc, Node::new(1, None)));
    match by {
        By::Plain => slot.next.set(mc, new),
        By::Swap => drop(slot.next.swap(mc, new)),
        By::CompareExchange => drop(slot.next.compare_exchange(mc, None, new)),
    }
    switch_point();
}

fn read<'gc>(by: By, mc: &Mutation<'gc>, slot: &Node<'gc>) {
    switch_point();
    let found = match by {
        By::Plain => slot.next.get(),
        By::Swap => slot.next.swap(mc, None),
        By::CompareExchange => {
            let mut found = slot.next.compare_exchange(mc, None, None);
            if let Err(other) = found {
                // Fails for what was there, succeeds with it.
                if let Some(node) = other {
                    node.stamp.lives();
                }
                found = slot.next.compare_exchange(mc, other, None);
            }
            found.unwrap_or_else(|found| found)
        }
    };
    if let Some(node) = found {
        node.stamp.lives();
        assert!(node.next.get().is_none());
    }
}

fn empty(main: &mut Mutator, number: usize) -> NodeRoot {
    main.enter(|mc| Root::new(mc, Gc::new(mc, Node::new(number, None))))
}

/// One mutator puts a new object in a slot, the other takes it out.
fn exchange(barrier: Option<Barrier>, writes: By, reads: By) {
    let heap = heap(barrier.unwrap_or(Barrier::Hybrid));
    let mut main = heap.attach();
    let slot = empty(&mut main, 0);
    if barrier.is_some() {
        begin(&heap);
    }
    let slot2 = slot.clone();
    loom::explore();
    let writer = mutator(&heap, move |m| {
        m.enter(|mc| write(writes, mc, &slot2.get(mc)));
    });
    main.enter(|mc| read(reads, mc, &slot.get(mc)));
    writer.join().unwrap();
    loom::stop_exploring();
    finish(&heap);
    loom::explore();
}

/// An object that points weakly at itself, known to another mutator before it is made.
fn cyclic() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let known: Root<Rootable![GcSlot<Option<Gc<'_, Weak<'_>>>>]> =
        main.enter(|mc| Root::new(mc, Gc::new(mc, GcSlot::new(None))));
    let known2 = known.clone();
    loom::explore();
    let maker = mutator(&heap, move |m| {
        m.enter(|mc| {
            let known = known2.get(mc);
            Gc::new_cyclic(mc, |weak: GcWeak<'_, Node<'_>>| {
                known.set(mc, Some(Gc::new(mc, Weak::new(0, weak))));
                switch_point();
                Node::new(1, None)
            });
            switch_point();
        });
    });
    main.enter(|mc| {
        switch_point();
        let Some(weak) = known.get(mc).get() else {
            return;
        };
        weak.stamp.lives();
        switch_point();
        if let Some(object) = weak.target.upgrade(mc) {
            object.stamp.lives();
            assert!(object.next.get().is_none());
        }
    });
    maker.join().unwrap();
}

/// A message: object 1 in the second slot, then object 3 in the first, from which the reader, who knows object 3, takes it.
fn message() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let first = empty(&mut main, 0);
    let second = empty(&mut main, 2);
    let known = empty(&mut main, 3);
    let (first2, second2, known2) = (first.clone(), second.clone(), known.clone());
    loom::explore();
    let writer = mutator(&heap, move |m| {
        m.enter(|mc| {
            write(By::Plain, mc, &second2.get(mc));
            first2.get(mc).next.set(mc, Some(known2.get(mc)));
            switch_point();
        });
    });
    main.enter(|mc| {
        switch_point();
        let known = known.get(mc);
        let took = first.get(mc).next.compare_exchange(mc, Some(known), None);
        if took.is_ok() && second.get(mc).next.get().is_none() {
            violation("a message was taken and is not there".to_owned());
        }
    });
    writer.join().unwrap();
}

pub(super) fn models() -> Vec<Model> {
    let pairs = [
        (By::Plain, By::Plain),
        (By::Plain, By::Swap),
        (By::Swap, By::Plain),
        (By::CompareExchange, By::CompareExchange),
        (By::Swap, By::Swap),
    ];
    let mut models = vec![
        model("new_cyclic".into(), BOUND, cyclic),
        model("message".into(), BOUND, message),
    ];
    for (writes, reads) in pairs {
        for barrier in [None, Some(Barrier::Insertion), Some(Barrier::Deletion)] {
            let mode = barrier.map_or("no cycle".to_owned(), |barrier| barrier.to_string());
            let name = format!("publish: {writes:?}, {reads:?}, {mode}");
            models.push(model(name, BOUND, move || exchange(barrier, writes, reads)));
        }
    }
    models
}

pub(super) const TWINS: &[Caught] = &[
    ("publish: Plain, Plain, no cycle", Twin::SlotNotReleased),
    ("publish: Plain, Plain, insertion", Twin::SlotNotReleased),
    ("publish: Plain, Plain, deletion", Twin::SlotNotReleased),
    ("publish: Plain, Swap, no cycle", Twin::SlotNotReleased),
    ("publish: Plain, Swap, insertion", Twin::SlotNotReleased),
    ("publish: Plain, Swap, deletion", Twin::SlotNotReleased),
    ("publish: Swap, Plain, no cycle", Twin::SlotNotReleased),
    ("publish: Swap, Plain, insertion", Twin::SlotNotReleased),
    ("publish: Swap, Plain, deletion", Twin::SlotNotReleased),
    (
        "publish: CompareExchange, CompareExchange, no cycle",
        Twin::SlotNotReleased,
    ),
    (
        "publish: CompareExchange, CompareExchange, insertion",
        Twin::SlotNotReleased,
    ),
    (
        "publish: CompareExchange, CompareExchange, deletion",
        Twin::SlotNotReleased,
    ),
    ("publish: Swap, Swap, no cycle", Twin::SlotNotReleased),
    ("publish: Swap, Swap, insertion", Twin::SlotNotReleased),
    ("publish: Swap, Swap, deletion", Twin::SlotNotReleased),
    ("publish: Plain, Plain, no cycle", Twin::SlotNotAcquired),
    ("publish: Plain, Plain, insertion", Twin::SlotNotAcquired),
    ("publish: Plain, Plain, deletion", Twin::SlotNotAcquired),
    ("publish: Plain, Swap, no cycle", Twin::SlotNotAcquired),
    ("publish: Plain, Swap, insertion", Twin::SlotNotAcquired),
    ("publish: Plain, Swap, deletion", Twin::SlotNotAcquired),
    ("publish: Swap, Plain, no cycle", Twin::SlotNotAcquired),
    ("publish: Swap, Plain, insertion", Twin::SlotNotAcquired),
    ("publish: Swap, Plain, deletion", Twin::SlotNotAcquired),
    (
        "publish: CompareExchange, CompareExchange, no cycle",
        Twin::SlotNotAcquired,
    ),
    (
        "publish: CompareExchange, CompareExchange, insertion",
        Twin::SlotNotAcquired,
    ),
    (
        "publish: CompareExchange, CompareExchange, deletion",
        Twin::SlotNotAcquired,
    ),
    ("publish: Swap, Swap, no cycle", Twin::SlotNotAcquired),
    ("publish: Swap, Swap, insertion", Twin::SlotNotAcquired),
    ("publish: Swap, Swap, deletion", Twin::SlotNotAcquired),
    ("message", Twin::SlotNotAcquired),
    ("new_cyclic", Twin::WeakNotReleased),
];

#[test]
fn what_is_found_has_been_made() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
