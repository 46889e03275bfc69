//! Several mutators of one thread, one entered inside another or attached there, while the driver asks for more: all that are
//! inside are as far in the cycle. And a guard that is leaked when the last round has been answered.

use super::harness::{
    Bound, Caught, EVERY, Model, are_caught, begin, cycle, drive, finish, heap, hold, model,
    must_be_freed, must_live, mutator, spawn, switch_point,
};
use super::objects::{Confined, Copied, Locked, Nested, Node, Shared, Weak};
use crate::cycle::mutator::MutatorState;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::sync::{Arc, thread};
use crate::{Barrier, Gc, Heap, Mutation, Mutator, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };
const WIDE: Bound = Bound { preemptions: 1 };

type ConfinedRoot = Root<Rootable![Confined<'_>]>;
type CopiedRoot = Root<Rootable![Copied<'_>]>;
type NestedRoot = Root<Rootable![Nested<'_>]>;
type LockedRoot = Root<Rootable![Locked<'_>]>;

/// Object 0 holds 2 in a cell of this thread, object 1 nothing; 3 is garbage.
fn confined(main: &mut Mutator) -> [ConfinedRoot; 2] {
    main.enter(|mc| {
        let object = Gc::new(mc, Node::new(2, None));
        Gc::new(mc, Node::new(3, None));
        [(0, Some(object)), (1, None)]
            .map(|(number, link)| Root::new(mc, Gc::new(mc, Confined::new(number, link))))
    })
}

/// Under Hybrid, a thread that is inside when the cycle begins, for a moment: its second handshake waits.
fn straggler(heap: &Heap) -> Option<thread::JoinHandle<()>> {
    let straggles = heap.barrier() == Barrier::Hybrid;
    straggles.then(|| mutator(heap, |m| m.enter(|_| thread::yield_now())))
}

/// A mutator takes object 2 out of one cell and puts it in another; meanwhile one of the same thread, which is older and entered
/// inside it, empties the first cell.
fn pass_on(barrier: Barrier) {
    let heap = heap(barrier);
    let mut old = heap.attach();
    let [from, to] = confined(&mut old);
    let driven = heap.clone();
    loom::explore();
    let straggler = straggler(&heap);
    let driver = spawn(move || cycle(&driven));
    thread::yield_now();
    let mut new = heap.attach();
    new.enter(|mc| {
        if barrier == Barrier::StopTheWorld {
            // The driver waits for nobody else.
            thread::yield_now();
        }
        let (source, to) = (from.get(mc), to.get(mc));
        to.cell.borrow_mut(mc).set(None);
        let object = source.cell.borrow().get();
        old.enter(|mc| from.get(mc).cell.borrow_mut(mc).set(None));
        to.cell.borrow_mut(mc).set(object);
    });
    driver.join().unwrap();
    if let Some(thread) = straggler {
        thread.join().unwrap();
    }
    must_be_freed(3);
    must_live(2);
}

/// The same, but that the newer one is attached and entered inside the older.
fn attach_inside(barrier: Barrier) {
    let heap = heap(barrier);
    let mut old = heap.attach();
    let [from, to] = confined(&mut old);
    let driven = heap.clone();
    loom::explore();
    let straggler = straggler(&heap);
    let driver = spawn(move || cycle(&driven));
    thread::yield_now();
    old.enter(|outer| {
        thread::yield_now();
        heap.attach().enter(|mc| {
            let (source, to) = (from.get(mc), to.get(mc));
            to.cell.borrow_mut(mc).set(None);
            let object = source.cell.borrow().get();
            from.get(outer).cell.borrow_mut(outer).set(None);
            to.cell.borrow_mut(mc).set(object);
        });
    });
    driver.join().unwrap();
    if let Some(thread) = straggler {
        thread.join().unwrap();
    }
    must_be_freed(3);
    must_live(2);
}

/// How far the threads of [`second_arming`] are.
#[derive(Clone)]
struct Turns(Arc<AtomicU32>);

impl Turns {
    const INSIDE: u32 = 1;
    const CLAIMED: u32 = 2;
    const LEAKED: u32 = 3;
    const DRIVEN: u32 = 4;

    fn reach(&self, turn: u32) {
        self.0.store(turn, Ordering::Release);
    }

    fn wait_for(&self, turn: u32) {
        while self.0.load(Ordering::Acquire) < turn {
            thread::yield_now();
        }
    }
}

/// Grey, it takes object 2 out of a cell of its own, unseen, and leaks a guard through which it has put it in a cell that has been
/// claimed.
fn leak(m: &mut Mutator, leaked: &NestedRoot, turns: &Turns) {
    let own: CopiedRoot = m.enter(|mc| {
        let object = Gc::new(mc, Node::new(2, None));
        Root::new(mc, Gc::new(mc, Copied::new(0, Some(object))))
    });
    thread::yield_now();
    m.enter(|mc| {
        let object = own.get(mc).cell.replace(mc, None);
        turns.reach(Turns::INSIDE);
        turns.wait_for(Turns::CLAIMED);
        let outer = leaked.get(mc);
        let outer = outer.cell.read();
        let mut guard = outer.lock(mc);
        guard.set(object);
        core::mem::forget(guard);
    });
}

/// Hybrid, one mutator leaks its guard while it is Grey, and then does `then`; `main`, Black and inside, has claimed the cell before. The
/// second handshake waits for that one.
fn with_a_leak<R>(
    heap: &Heap,
    (main, leaked): (&mut Mutator, &NestedRoot),
    then: impl FnOnce(&mut Mutator, &Turns) + Send + 'static,
    inside: impl for<'gc> FnOnce(&'gc Mutation<'gc>, &Turns, Gc<'gc, Nested<'gc>>) -> R,
) -> (R, thread::JoinHandle<()>) {
    let turns = Turns(Arc::new(AtomicU32::new(0)));
    let (leaked2, turns2) = (leaked.clone(), turns.clone());
    let leaker = mutator(heap, move |m| {
        leak(m, &leaked2, &turns2);
        then(m, &turns2);
    });
    thread::yield_now();
    let _ = heap.core().request_new_cycle();
    let seq = heap.core().command_seq();
    // The leaker turns Grey, and does not drive on.
    let mut driver = heap.core().driver.lock();
    let _ = heap.core().advance(&mut driver, &mut None, 0);
    turns.wait_for(Turns::INSIDE);
    drop(driver);
    drive(heap, |core| core.command_seq() == seq + 2);
    let result = main.enter(|mc| {
        let holder = leaked.get(mc);
        holder.cell.read().lock(mc).set(None);
        inside(mc, &turns, holder)
    });
    (result, leaker)
}

/// Hybrid is about to arm again, after a leaked guard. A mutator that is inside, Black, gets object 2 out of the leaked cell, moves
/// it to another, and from there, by a mutator attached inside it, to a third.
fn second_arming() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let leaked: NestedRoot = main.enter(|mc| Root::new(mc, Gc::new(mc, Nested::new(1, None))));
    let [way_root, to]: [LockedRoot; 2] =
        [4, 5].map(|number| main.enter(|mc| Root::new(mc, Gc::new(mc, Locked::new(number, None)))));
    let nothing = |_: &mut Mutator, _: &Turns| ();
    let (driver, leaker) =
        with_a_leak(&heap, (&mut main, &leaked), nothing, |mc, turns, holder| {
            let way = way_root.get(mc);
            way.cell.write(mc).set(None);
            turns.reach(Turns::CLAIMED);
            while heap.core().registry.len() > 1 {
                thread::yield_now();
            }
            let driven = heap.clone();
            loom::explore();
            let driver = spawn(move || finish(&driven));
            let mut guard = holder.cell.write(mc);
            let object = guard.get_mut().get();
            guard.get_mut().set(None);
            drop(guard);
            assert!(object.is_some());
            way.cell.write(mc).set(object);
            thread::yield_now();
            heap.attach().enter(|mc| {
                let to = to.get(mc);
                to.cell.write(mc).set(None);
                let object = way_root.get(mc).cell.read().get();
                to.cell.write(mc).set(object);
            });
            way.cell.write(mc).set(None);
            driver
        });
    driver.join().unwrap();
    leaker.join().unwrap();
    must_live(2);
}

/// The leaker answers for itself: the driver goes on when it knows of the leak.
fn leak_answered() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let leaked: NestedRoot = main.enter(|mc| Root::new(mc, Gc::new(mc, Nested::new(1, None))));
    let answer = |m: &mut Mutator, turns: &Turns| {
        turns.reach(Turns::LEAKED);
        turns.wait_for(Turns::DRIVEN);
        m.enter(|_| ());
    };
    let (driver, leaker) = with_a_leak(&heap, (&mut main, &leaked), answer, |_, turns, _| {
        turns.reach(Turns::CLAIMED);
        turns.wait_for(Turns::LEAKED);
        let driven = heap.clone();
        loom::explore();
        turns.reach(Turns::DRIVEN);
        spawn(move || finish(&driven))
    });
    driver.join().unwrap();
    leaker.join().unwrap();
    must_live(2);
}

/// Insertion is about to stop for the last time. A mutator is attached and makes object 2, entered inside one that may have been
/// held by the stop.
fn attach_late() {
    let heap = heap(Barrier::Insertion);
    let mut held = heap.attach();
    held.enter(|mc| {
        Gc::new(mc, Node::new(3, None));
    });
    begin(&heap);
    drive(&heap, |core| core.command().stop);
    let driven = heap.clone();
    loom::explore();
    let driver = spawn(move || finish(&driven));
    let mut late = heap.attach();
    let _kept: Root<Rootable![Node<'_>]> = held.enter(|_| {
        late.enter(|mc| {
            let new = Gc::new(mc, Node::new(2, None));
            switch_point();
            Root::new(mc, new)
        })
    });
    driver.join().unwrap();
    must_be_freed(3);
    must_live(2);
}

/// Insertion is about to stop for the last time, and waits for a mutator that is inside. There its thread attaches another one, which
/// puts a new object in a slot that has been marked, and stays attached.
fn attach_unseen() {
    let heap = heap(Barrier::Insertion);
    let mut main = heap.attach();
    let holder: Root<Rootable![Node<'_>]> = main.enter(|mc| {
        Gc::new(mc, Node::new(3, None));
        Root::new(mc, Gc::new(mc, Node::new(0, None)))
    });
    begin(&heap);
    let (driver, inner) = main.enter(|mc| {
        drive(&heap, |core| {
            mc.state().poll();
            core.command().stop
        });
        let driven = heap.clone();
        loom::explore();
        let driver = spawn(move || finish(&driven));
        thread::yield_now();
        let mut inner = heap.attach();
        inner.enter(|mc| {
            let new = Gc::new(mc, Node::new(2, None));
            holder.get(mc).next.set(mc, Some(new));
        });
        (driver, inner)
    });
    driver.join().unwrap();
    must_live(2);
    must_be_freed(3);
    drop(inner);
}

/// The same while a handshake waits. When all have answered, the one that has been attached has, too.
fn attach_unanswered() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let (driver, inner) = main.enter(|_| {
        let _ = heap.core().request_new_cycle();
        let before = heap.core().command_seq();
        drive(&heap, |core| core.command_seq() != before);
        let asked = heap.clone();
        loom::explore();
        let driver = spawn(move || {
            let core = asked.core();
            let seq = core.command_seq();
            while !core.all_answered(seq) {
                thread::yield_now();
            }
            let acked = |state: &MutatorState| state.acked.load(Ordering::Acquire) == seq;
            if !core.registry.all(acked) {
                violation("a mutator has not answered".to_owned());
            }
        });
        thread::yield_now();
        (driver, heap.attach())
    });
    driver.join().unwrap();
    drop(inner);
}

/// Insertion, the last round has been asked for: a mutator puts a new object, which it knows weakly too, in a scanned cell, and
/// leaks the guard. Nothing but the count of open guards tells the final stop that not everything is marked.
fn leak_late() {
    let heap = heap(Barrier::Insertion);
    let mut main = heap.attach();
    let holder: Root<Rootable![Shared<'_>]> = main.enter(|mc| {
        Gc::new(mc, Node::new(3, None));
        Root::new(mc, Gc::new(mc, Shared::new(0, None)))
    });
    begin(&heap);
    let seq = heap.core().command_seq();
    drive(&heap, |core| core.command_seq() != seq);
    let driven = heap.clone();
    loom::explore();
    let driver = spawn(move || finish(&driven));
    let weak: Root<Rootable![Weak<'_>]> = main.enter(|mc| {
        let new = Gc::new(mc, Node::new(2, None));
        let holder = holder.get(mc);
        let mut guard = holder.cell.lock(mc);
        guard.set(Some(new));
        core::mem::forget(guard);
        Root::new(mc, Gc::new(mc, Weak::new(1, Gc::downgrade(new, mc))))
    });
    driver.join().unwrap();
    must_live(2);
    main.enter(|mc| {
        if weak.get(mc).target.upgrade(mc).is_none() {
            violation("a weak reference to a live object fails".to_owned());
        }
    });
    cycle(&heap);
    must_be_freed(3);
    must_live(2);
}

fn handshakes() -> Vec<Model> {
    let passing = EVERY.map(|barrier| {
        let name = format!("mates, entered inside, {barrier}");
        model(name, WIDE, move || pass_on(barrier))
    });
    let attaching = EVERY.map(|barrier| {
        let name = format!("mates, attached inside, {barrier}");
        model(name, WIDE, move || attach_inside(barrier))
    });
    passing.into_iter().chain(attaching).collect()
}

fn stops() -> Vec<Model> {
    vec![
        model("mates, second arming".into(), BOUND, second_arming),
        model("leak answered".into(), BOUND, leak_answered),
        model("mates, final stop".into(), BOUND, attach_late),
        model(
            "mates, attached before the stop".into(),
            BOUND,
            attach_unseen,
        ),
        model(
            "mates, attached before the answer".into(),
            BOUND,
            attach_unanswered,
        ),
        model("leak before the final stop".into(), BOUND, leak_late),
    ]
}

pub(super) fn models() -> Vec<Model> {
    [handshakes(), stops()].into_iter().flatten().collect()
}

pub(super) const TWINS: &[Caught] = &[
    ("mates, final stop", Twin::TakesUnsweptSpans),
    ("mates, entered inside, hybrid", Twin::NoClaim),
    ("mates, attached inside, hybrid", Twin::MarksAtT1),
    ("mates, second arming", Twin::AttachedScansAhead),
    ("leak answered", Twin::LeakAfterAnswer),
    ("mates, final stop", Twin::InnerStaysBehind),
    ("mates, attached before the stop", Twin::StopReadsListOnce),
    ("mates, attached before the answer", Twin::AnswersReadOnce),
    ("leak before the final stop", Twin::LeakSeenLate),
    ("mates, entered inside, insertion", Twin::NoClaim),
    ("mates, entered inside, deletion", Twin::NoClaim),
    ("mates, entered inside, stop-the-world", Twin::StopTakesSome),
    ("mates, attached inside, insertion", Twin::NoClaim),
    ("mates, attached inside, deletion", Twin::StopTakesSome),
    (
        "mates, attached inside, stop-the-world",
        Twin::StopTakesSome,
    ),
];

#[test]
fn mutators_of_a_thread_turn_together() {
    hold(handshakes());
}

#[test]
fn mutators_of_a_thread_go_through_stops_together() {
    hold(stops());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
