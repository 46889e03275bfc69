//! What a mutator does while a cycle arms and another one holds it up.

mod common;

use std::sync::mpsc::{Receiver, Sender, channel};

use common::{Drops, Token, finish_cycle, quiet_heap};
use tricolor_gc::{
    Barrier, Gc, GcMutex, GcRefCell, GcSlot, GcWeak, Heap, Mutation, Mutator, Root, Rootable,
    StepStatus, Trace,
};

/// What the other thread is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Do {
    /// Asks for a cycle, and drives it as far as it goes.
    Begin,
    /// Drives the cycle as far as it goes.
    Drive,
    /// Enters, and stays inside.
    Enter,
    Leave,
}

/// Another thread with a mutator, which does one thing at a time.
struct Other {
    orders: Sender<Do>,
    done: Receiver<()>,
}

impl Other {
    fn new(heap: &Heap) -> Self {
        let (orders, todo) = channel();
        let (report, done) = channel();
        let heap = heap.clone();
        std::thread::spawn(move || obey(&mut heap.attach(), &todo, &report));
        Other { orders, done }
    }

    fn does(&self, what: Do) {
        self.orders.send(what).unwrap();
        self.done.recv().unwrap();
    }
}

fn obey(mutator: &mut Mutator, todo: &Receiver<Do>, report: &Sender<()>) {
    while let Ok(what) = todo.recv() {
        match what {
            Do::Begin => begin(mutator),
            Do::Enter => mutator.enter(|_| {
                report.send(()).unwrap();
                assert!(todo.recv() == Ok(Do::Leave));
            }),
            Do::Drive | Do::Leave => {}
        }
        if matches!(what, Do::Begin | Do::Drive) {
            while mutator.step(1 << 30) == StepStatus::InProgress {}
        }
        report.send(()).unwrap();
    }
}

fn begin(mutator: &mut Mutator) {
    mutator.enter(|mc| {
        mc.account(1 << 40);
        mc.account(-(1 << 40));
    });
}

/// No marker has started, so nothing is marked and nothing is dead.
#[test]
fn an_upgrade_while_arming_succeeds_and_keeps_the_object() {
    for (barrier, rooted) in [Barrier::Insertion, Barrier::Hybrid]
        .into_iter()
        .flat_map(|barrier| [(barrier, false), (barrier, true)])
    {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let other = Other::new(&heap);
        other.does(Do::Enter);
        let (weak, root) = mutator.enter(|mc| {
            let object = Gc::new(mc, drops.token());
            let weak: Root<Rootable![GcWeak<'_, Token>]> =
                Root::new(mc, Gc::new(mc, Gc::downgrade(object, mc)));
            let root: Root<Rootable![Token]> = Root::new(mc, object);
            (weak, root)
        });
        let root = rooted.then_some(root);
        begin(&mut mutator);
        assert_eq!(mutator.step(1), StepStatus::Waiting, "for the other");
        let kept: Root<Rootable![Token]> = mutator.enter(|mc| {
            let weak = weak.get(mc);
            assert!(!weak.is_dead(mc), "{barrier}, rooted {rooted}");
            let object = weak.upgrade(mc).expect("alive");
            Root::new(mc, object)
        });
        other.does(Do::Leave);
        finish_cycle(&mut mutator);
        assert_eq!(drops.count(), 0, "{barrier}, rooted {rooted}");
        drop((root, kept));
        mutator.collect();
        assert_eq!(drops.count(), 1, "{barrier}, rooted {rooted}");
    }
}

/// An object with a span of its own.
#[derive(Trace)]
#[trace(skip)]
struct Large(
    #[expect(dead_code, reason = "its destructor counts")] Token,
    [u64; 8000],
);

#[derive(Trace)]
struct Holder<'gc> {
    /// The first of a run of slots.
    before: Gc<'gc, Token>,
    small: GcSlot<Option<Gc<'gc, Token>>>,
    large: GcSlot<Option<Gc<'gc, Large>>>,
}

/// Runs `f` in an `enter` of a Black mutator that allocates early: the other is Grey, and inside until it is told to leave. When it
/// has left, and drives, markers start.
fn while_grey(mutator: &mut Mutator, other: &Other, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>)) {
    mutator.enter(|_| {
        other.does(Do::Begin);
        other.does(Do::Enter);
    });
    mutator.enter(f);
}

/// The mutator learns in the first allocation that objects are born black from now on. The holder has been scanned.
#[test]
fn what_is_allocated_as_allocation_turns_black_lives() {
    for large_first in [false, true] {
        let heap = quiet_heap(Barrier::Hybrid);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let other = Other::new(&heap);
        let holder: Root<Rootable![Holder<'_>]> = mutator.enter(|mc| {
            let before = Gc::new(mc, drops.token());
            let (small, large) = (GcSlot::new(None), GcSlot::new(None));
            let holder = Holder {
                before,
                small,
                large,
            };
            Root::new(mc, Gc::new(mc, holder))
        });
        while_grey(&mut mutator, &other, |mc| {
            other.does(Do::Leave);
            other.does(Do::Drive);
            let holder = holder.get(mc);
            let large = || {
                holder
                    .large
                    .set(mc, Some(Gc::new(mc, Large(drops.token(), [7; 8000]))))
            };
            let small = || holder.small.set(mc, Some(Gc::new(mc, drops.token())));
            if large_first {
                large();
                small();
            } else {
                small();
                large();
            }
        });
        mutator.collect();
        assert_eq!(drops.count(), 0, "large first: {large_first}");
        mutator.enter(|mc| {
            let holder = holder.get(mc);
            assert_eq!(holder.large.get().unwrap().1, [7; 8000]);
            assert!(!Gc::ptr_eq(holder.before, holder.small.get().unwrap()));
        });
        drop(holder);
        mutator.collect();
        assert_eq!(drops.count(), 3);
    }
}

/// The elements are made while the others go on with the cycle; until the slice is whole no marker knows of it. An object that is
/// made in its middle, in place too, and is whole before it, does not let the slice go.
#[test]
fn a_slice_that_is_built_as_markers_start_keeps_its_slot() {
    for within in [0, 1] {
        let heap = quiet_heap(Barrier::Hybrid);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let other = Other::new(&heap);
        while_grey(&mut mutator, &other, |mc| {
            let mut second = None;
            let first = Gc::slice_from_fn(mc, 2, |index| {
                if index == 0 {
                    for _ in 0..within {
                        Gc::new_cyclic(mc, |_: GcWeak<'_, Token>| drops.token());
                    }
                    other.does(Do::Leave);
                    for _ in 0..10 {
                        other.does(Do::Drive);
                        // Large: each of them polls.
                        Gc::new(mc, [0_u64; 8000]);
                    }
                } else {
                    second = Some(Gc::slice_from_fn(mc, 2, |_| drops.token()));
                }
                drops.token()
            });
            assert!(!Gc::ptr_eq(first, second.unwrap()), "two in one slot");
            assert_eq!(drops.count(), 0);
        });
        mutator.collect();
        assert_eq!(drops.count(), 4 + within);
    }
}

/// The cell has been traced when the weak pointer comes into it: no marker finds the box there.
#[test]
fn a_weak_pointer_that_is_made_while_arming_keeps_its_box() {
    type Place<'gc> = GcRefCell<Option<GcWeak<'gc, Token>>>;
    let heap = quiet_heap(Barrier::Hybrid);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let other = Other::new(&heap);
    let (place, target) = mutator.enter(|mc| {
        let place: Root<Rootable![Place<'_>]> = Root::new(mc, Gc::new(mc, GcRefCell::new(None)));
        let target: Root<Rootable![Token]> = Root::new(mc, Gc::new(mc, drops.token()));
        (place, target)
    });
    while_grey(&mut mutator, &other, |mc| {
        let weak = Gc::downgrade(target.get(mc), mc);
        *place.get(mc).borrow_mut(mc) = Some(weak);
    });
    other.does(Do::Leave);
    finish_cycle(&mut mutator);
    let is_dead = |mutator: &mut Mutator| {
        mutator.enter(|mc| place.get(mc).borrow().is_some_and(|weak| weak.is_dead(mc)))
    };
    assert!(!is_dead(&mut mutator));
    drop(target);
    mutator.collect();
    assert_eq!(drops.count(), 1);
    assert!(is_dead(&mut mutator), "the box was forgotten");
}

/// Large objects have the colour of small ones.
#[test]
fn large_objects_that_are_made_while_marking_live_through_the_cycle() {
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let other = Other::new(&heap);
        mutator.enter(|_| {
            other.does(Do::Begin);
        });
        // Deletion: the stop; Hybrid: both handshakes.
        mutator.enter(|mc| {
            other.does(Do::Drive);
            let new = Gc::new(mc, Large(drops.token(), [1; 8000]));
            other.does(Do::Drive);
            assert_eq!((drops.count(), new.1[0]), (0, 1), "{barrier}");
        });
        mutator.collect();
        assert_eq!(drops.count(), 1, "{barrier}");
    }
}

/// Marking is over, the barrier of its mutator is off, and the sweep has not begun.
#[test]
fn large_objects_that_are_made_before_the_sweep_begins_live_through_it() {
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let other = Other::new(&heap);
        mutator.enter(|_| {
            other.does(Do::Begin);
        });
        mutator.enter(|mc| {
            // Each answers what the other waits for, by its poll: the rounds, and that the barrier goes off.
            let new = || {
                other.does(Do::Drive);
                Gc::new(mc, Large(drops.token(), [1; 8000]))
            };
            let made = [(); 6].map(|()| new());
            other.does(Do::Drive);
            assert_eq!(heap.stats().cycles, 1, "{barrier}");
            assert_eq!(drops.count(), 0, "{barrier}");
            assert!(made.iter().all(|large| large.1[0] == 1), "{barrier}");
        });
        mutator.collect();
        assert_eq!(drops.count(), 6, "{barrier}");
    }
}

/// Its thread turns Black by way of another mutator, at whose boundary the guard is found to have leaked as well.
#[test]
fn a_guard_leaked_in_one_mutator_is_noticed_when_another_of_its_thread_enters() {
    let heap = quiet_heap(Barrier::Hybrid);
    let (mut first, mut second) = (heap.attach(), heap.attach());
    let drops = Drops::new();
    let other = Other::new(&heap);
    let place: Root<Rootable![GcMutex<Option<Gc<'_, Token>>>]> =
        first.enter(|mc| Root::new(mc, Gc::new(mc, GcMutex::new(None))));
    other.does(Do::Enter);
    begin(&mut first);
    assert_eq!(first.step(1), StepStatus::Waiting, "for the other");
    second.enter(|mc| {
        other.does(Do::Leave);
        // The other is Black.
        other.does(Do::Drive);
        let place = Gc::as_ref(place.get(mc));
        let mut guard = place.lock(mc);
        *guard = Some(Gc::new(mc, drops.token()));
        std::mem::forget(guard);
    });
    // The second handshake waits for this thread.
    first.enter(|_| other.does(Do::Drive));
    first.enter(|_| ());
    while heap.stats().cycles == 0 {
        let _ = first.step(1 << 20);
    }
    let cycle = heap.last_cycle().unwrap();
    assert_eq!(cycle.stops, 1, "it arms again: {cycle}");
    assert_eq!(drops.count(), 0);
}

type Place<'gc> = GcMutex<Option<Gc<'gc, Token>>>;

/// The object was made by a Black mutator while another was Grey, so it is grey, and scanned when the cycle has armed again: the Grey
/// one has put there what it alone had, by a guard that it leaked.
#[test]
fn what_is_leaked_in_an_object_of_a_black_mutator_is_found() {
    let heap = quiet_heap(Barrier::Hybrid);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let old: Root<Rootable![GcSlot<Option<Gc<'_, Token>>>]> = mutator.enter(|mc| {
        let object = Gc::new(mc, drops.token());
        Root::new(mc, Gc::new(mc, GcSlot::new(Some(object))))
    });
    let new: Root<Rootable![GcSlot<Option<Gc<'_, Place<'_>>>>]> =
        mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcSlot::new(None))));
    let ((tell, told), (report, done)) = (channel(), channel());
    std::thread::scope(|scope| {
        let (heap, old, new) = (&heap, &old, &new);
        let grey = move || {
            let mut mutator = heap.attach();
            begin(&mut mutator);
            while mutator.step(1 << 30) == StepStatus::InProgress {}
            mutator.enter(|mc| {
                let object = old.get(mc).get();
                report.send(()).unwrap();
                told.recv().unwrap();
                let place = Gc::as_ref(new.get(mc).get().unwrap());
                let mut guard = place.lock(mc);
                *guard = object;
                std::mem::forget(guard);
            });
            report.send(()).unwrap();
        };
        mutator.enter(|mc| {
            scope.spawn(grey);
            done.recv().unwrap();
            // Unseen: the barrier is off.
            old.get(mc).set(mc, None);
        });
        mutator.enter(|mc| {
            let place = Gc::new(mc, GcMutex::new(None));
            new.get(mc).set(mc, Some(place));
            tell.send(()).unwrap();
            done.recv().unwrap();
        });
    });
    while heap.stats().cycles == 0 {
        let _ = mutator.step(1 << 20);
    }
    let cycle = heap.last_cycle().unwrap();
    assert_eq!(cycle.stops, 1, "it arms again: {cycle}");
    assert_eq!(drops.count(), 0);
}
