//! Several mutators of one heap on one thread: a boundary is one of the thread.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use common::{BARRIERS, CONCURRENT, Drops, PATIENCE, Token, heaps, quiet_heap};
use tricolor_gc::{
    Barrier, Gc, GcCell, GcMutex, GcRwLock, GcSlot, Heap, Mutator, Root, Rootable, StepStatus,
};

/// A mutator that is never used must not keep the cycle from those of its thread that are.
#[test]
fn a_parked_mutator_does_not_hold_cycles_up() {
    for heap in heaps() {
        let (done, drops, began) = (AtomicBool::new(false), Drops::new(), Instant::now());
        std::thread::scope(|scope| {
            let mut busy = heap.attach();
            let _parked = heap.attach();
            busy.enter(|mc| {
                Gc::new(mc, drops.token());
            });
            let collects = scope.spawn(|| {
                for _ in 0..10 {
                    heap.collect();
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                busy.enter(|mc| {
                    while !mc.should_yield() && !done.load(Ordering::Relaxed) {
                        assert!(began.elapsed() < PATIENCE, "{}", heap.barrier());
                        std::hint::black_box(Gc::new(mc, 1u64));
                    }
                });
            }
            collects.join().unwrap();
        });
        assert_eq!(drops.count(), 1);
    }
}

/// Where all mutators of a thread are outside, no other thread need be.
#[test]
fn a_thread_that_is_outside_is_answered_for_while_others_are_inside() {
    let heap = quiet_heap(Barrier::Insertion);
    let (mut mutator, _mate) = (heap.attach(), heap.attach());
    let _root: Root<Rootable![u64]> = mutator.enter(|mc| Root::new(mc, Gc::new(mc, 1)));
    let ((leave, order), (report, entered)) = (channel::<()>(), channel());
    let steps = std::thread::scope(|scope| {
        let heap = &heap;
        scope.spawn(move || {
            let mut busy = heap.attach();
            for _ in 0..2 {
                busy.enter(|_| {
                    report.send(()).unwrap();
                    order.recv().unwrap();
                });
            }
        });
        entered.recv().unwrap();
        mutator.enter(|mc| {
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        [(); 2].map(|()| {
            let step = mutator.step(1);
            // It comes back once.
            leave.send(()).unwrap();
            let _ = entered.recv();
            step
        })
    });
    assert_eq!(steps, [StepStatus::Waiting, StepStatus::InProgress]);
    mutator.collect();
}

/// Drives the cycle on a thread of its own until it waits or has ended.
fn drive(heap: &Heap, begin: impl FnOnce(&mut Mutator) + Send) -> StepStatus {
    let run = || {
        let mut mutator = heap.attach();
        begin(&mut mutator);
        loop {
            match mutator.step(1 << 30) {
                StepStatus::InProgress => {}
                status => return status,
            }
        }
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// The collector only ever looks while the thread is inside, as it does when the thread enters again at once: what it waits for
/// must be what the thread is asked for.
#[test]
fn a_cycle_that_waits_for_a_thread_asks_the_mutator_that_is_inside() {
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut busy = heap.attach();
        let _parked = heap.attach();
        let begin = |mutator: &mut Mutator| {
            let trigger = heap.stats().trigger;
            mutator.enter(|mc| mc.account(trigger as isize));
        };
        busy.enter(|_| assert_eq!(drive(&heap, begin), StepStatus::Waiting));
        let mut boundaries = 0;
        while heap.stats().cycles == 0 {
            boundaries += 1;
            assert!(boundaries < 10, "{barrier}: the cycle does not get on");
            busy.enter(|mc| {
                let waits = drive(&heap, |_| {}) == StepStatus::Waiting;
                assert!(!waits || mc.should_yield(), "{barrier}: nobody is asked");
            });
        }
    }
}

/// A thread that is inside by one mutator and, in there, by another looks at `should_yield` of the inner one: that must say what either
/// of them is waited for, also when the inner one has answered for itself at a poll.
#[test]
fn a_cycle_that_waits_for_a_thread_asks_the_innermost_mutator() {
    for barrier in BARRIERS {
        let heap = quiet_heap(barrier);
        let (mut outer, mut inner) = (heap.attach(), heap.attach());
        let begin = |mutator: &mut Mutator| {
            let trigger = heap.stats().trigger;
            mutator.enter(|mc| mc.account(trigger as isize));
        };
        outer.enter(|_| assert_eq!(drive(&heap, begin), StepStatus::Waiting));
        let mut boundaries = 0;
        while heap.stats().cycles == 0 {
            boundaries += 1;
            assert!(boundaries < 20, "{barrier}: the cycle does not get on");
            outer.enter(|_| {
                inner.enter(|mc| {
                    for _ in 0..2 {
                        let waits = drive(&heap, |_| {}) == StepStatus::Waiting;
                        assert!(!waits || mc.should_yield(), "{barrier}: nobody is asked");
                        // Polls.
                        (0..1000u64).for_each(|n| _ = std::hint::black_box(Gc::new(mc, [n; 64])));
                    }
                });
            });
        }
    }
}

/// What needs no boundary is asked for while the thread is inside, too: then the mutator that it goes inside by once more answers
/// alone, and does not wait for the one by which the thread is inside.
#[test]
fn whatever_is_asked_for_a_thread_can_enter_once_more() {
    for barrier in BARRIERS {
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let heap = quiet_heap(barrier);
            let (mut outer, mut inner) = (heap.attach(), heap.attach());
            let begin = |mutator: &mut Mutator| {
                let trigger = heap.stats().trigger;
                mutator.enter(|mc| mc.account(trigger as isize));
            };
            outer.enter(|_| assert_eq!(drive(&heap, begin), StepStatus::Waiting));
            while heap.stats().cycles == 0 {
                // One step at most: what it asks for has found nobody yet.
                let step = || heap.attach().step(0);
                outer.enter(|_| {
                    std::thread::scope(|scope| scope.spawn(step).join().unwrap());
                    inner.enter(|_| {});
                });
            }
            tell.send(()).unwrap();
        });
        assert_eq!(told.recv_timeout(PATIENCE), Ok(()), "{barrier}");
    }
}

/// A mutator that is attached when the cycle has just asked for more is ahead of the others of its thread. They catch up when the
/// thread, inside by the new one, enters by one of them: what one takes out of a cell may be in the hands of another.
#[test]
fn a_mutator_entered_inside_a_newer_one_is_as_far_as_that() {
    type Cell = Rootable![GcCell<Option<Gc<'_, common::Token>>>];
    for barrier in CONCURRENT {
        let (heap, drops) = (quiet_heap(barrier), Drops::new());
        let mut old = heap.attach();
        let [from, to]: [Root<Cell>; 2] = old.enter(|mc| {
            let object = Gc::new(mc, drops.token());
            [Some(object), None].map(|object| Root::new(mc, Gc::new(mc, GcCell::new(object))))
        });
        let meet = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = heap.attach();
                other.enter(|_| {
                    meet.wait();
                    meet.wait();
                });
                drop(other);
                meet.wait();
            });
            meet.wait();
            old.enter(|mc| {
                mc.account(1 << 40);
                mc.account(-(1 << 40));
            });
            // The cycle has begun, and waits for the other thread.
            meet.wait();
            meet.wait();
            // One step: what has been asked for is answered, and the next thing is asked for.
            assert_eq!(old.step(0), StepStatus::InProgress, "{barrier}");
            let mut new = heap.attach();
            new.enter(|mc| {
                let (from_here, to) = (from.get(mc), to.get(mc));
                to.set(mc, None);
                let object = from_here.get();
                old.enter(|mc| from.get(mc).set(mc, None));
                to.set(mc, object);
            });
        });
        while !matches!(old.step(1 << 20), StepStatus::Completed | StepStatus::Idle) {}
        assert_eq!(drops.count(), 0, "{barrier}");
        drop(to);
        old.collect();
        old.collect();
        assert_eq!(drops.count(), 1, "{barrier}");
    }
}

type Object<'gc> = Option<Gc<'gc, common::Token>>;
type Slot = Rootable![GcSlot<Object<'_>>];
type Cell = Rootable![GcRwLock<Object<'_>>];
type Nested = Rootable![GcRwLock<GcMutex<Object<'_>>>];

/// What the threads of the next test have in common.
struct Stage {
    heap: Heap,
    meetings: [std::sync::Barrier; 8],
    from: Root<Slot>,
    leaked: Root<Nested>,
    way: Root<Cell>,
    to: Root<Cell>,
}

impl Stage {
    fn new(main: &mut Mutator, drops: &Drops) -> Self {
        let cell = |main: &mut Mutator| {
            main.enter(|mc| Root::new(mc, Gc::new(mc, GcRwLock::new(None::<Gc<'_, _>>))))
        };
        Stage {
            heap: main.heap().clone(),
            meetings: [(); 8].map(|()| std::sync::Barrier::new(2)),
            from: main.enter(|mc| {
                let object = Gc::new(mc, drops.token());
                Root::new(mc, Gc::new(mc, GcSlot::new(Some(object))))
            }),
            leaked: main.enter(|mc| {
                let inner = GcMutex::new(None::<Gc<'_, _>>);
                Root::new(mc, Gc::new(mc, GcRwLock::new(inner)))
            }),
            way: cell(main),
            to: cell(main),
        }
    }

    fn meet(&self, number: usize) {
        self.meetings[number].wait();
    }

    /// Takes the object out of its slot, its barrier not yet on.
    fn take_out(&self) {
        self.heap.attach().enter(|mc| {
            self.meet(0);
            self.meet(1);
            self.from.get(mc).set(mc, None);
        });
        self.meet(2);
    }

    /// Grey, it has the object still, and leaks a guard through which it was put in a cell that had been claimed.
    fn leak(&self) {
        self.heap.attach().enter(|mc| {
            let object = self.from.get(mc).get();
            self.meet(3);
            self.meet(4);
            let outer = self.leaked.get(mc);
            let outer = outer.read();
            let mut guard = outer.lock(mc);
            *guard = object;
            std::mem::forget(guard);
        });
        self.meet(5);
    }

    /// Finds the leak, and asks for the stop.
    fn find_leak(&self) {
        self.meet(6);
        let mut driver = self.heap.attach();
        assert_eq!(driver.step(0), StepStatus::InProgress);
        assert_eq!(driver.step(0), StepStatus::Waiting);
        drop(driver);
        self.meet(7);
    }

    /// Black, it claims the cell, gets the object out of it, and moves it on.
    fn move_on(&self, main: &mut Mutator) {
        main.enter(|mc| {
            let (leaked, way) = (self.leaked.get(mc), self.way.get(mc));
            *leaked.read().lock(mc) = None;
            *way.write(mc) = None;
            (4..8).for_each(|number| self.meet(number));
            let object = leaked.write(mc).get_mut().take();
            assert!(object.is_some());
            *way.write(mc) = object;
            self.heap.attach().enter(|mc| {
                let (way, to) = (self.way.get(mc), self.to.get(mc));
                *to.write(mc) = None;
                let object = *way.read();
                *to.write(mc) = object;
            });
            *way.write(mc) = None;
        });
    }
}

/// Hybrid arms again by a stop after a leaked guard. A mutator that is attached inside another, which the stop waits for, makes no
/// claims for the second arming: what is put into the cell afterwards would not be seen.
#[test]
fn a_mutator_attached_before_a_second_arming_claims_for_the_first() {
    let (heap, drops) = (quiet_heap(Barrier::Hybrid), Drops::new());
    let mut main = heap.attach();
    let stage = Stage::new(&mut main, &drops);
    std::thread::scope(|scope| {
        scope.spawn(|| stage.take_out());
        stage.meet(0);
        main.enter(|mc| {
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        scope.spawn(|| stage.leak());
        for number in [3, 1, 2] {
            stage.meet(number);
        }
        assert_eq!(main.step(0), StepStatus::InProgress);
        scope.spawn(|| stage.find_leak());
        stage.move_on(&mut main);
    });
    while !matches!(main.step(1 << 20), StepStatus::Completed | StepStatus::Idle) {}
    assert_eq!(drops.count(), 0);
    drop(stage);
    main.collect();
    main.collect();
    assert_eq!(drops.count(), 1);
}

/// What an inner mutator has allocated is paid for where its thread is outside: at the boundary of the outer one.
#[test]
fn an_inner_mutator_has_its_steps_taken() {
    for barrier in BARRIERS {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.min_heap(1 << 16).max_heap(1 << 22).build().unwrap();
        let (mut outer, mut inner) = (heap.attach(), heap.attach());
        for _ in 0..1000 {
            outer.enter(|_| {
                inner.enter(|mc| {
                    for _ in 0..100 {
                        Gc::new(mc, [0_u64; 16]);
                    }
                });
            });
        }
        assert!(heap.stats().cycles > 0, "{barrier}");
    }
}

/// A scoped thread may hold what the `enter` around it has come by, and be inside by a mutator of its own: its boundaries are not those of
/// the thread that waits for it.
#[test]
fn what_a_scoped_thread_holds_lives_whatever_its_own_mutator_does() {
    // The others begin with a stop, in which the scoped thread could not enter.
    for barrier in [Barrier::Insertion, Barrier::Hybrid] {
        let (heap, drops) = (quiet_heap(barrier), Drops::new());
        let mut outer = heap.attach();
        let root: Root<Rootable!['gc => GcSlot<Option<Gc<'gc, (u64, Token)>>>]> =
            outer.enter(|mc| {
                let object = Gc::new(mc, (7, drops.token()));
                Root::new(mc, Gc::new(mc, GcSlot::new(Some(object))))
            });
        outer.enter(|mc| {
            let held = root.get(mc).get().unwrap();
            let work = || {
                let mut own = heap.attach();
                let trigger = heap.stats().trigger as isize;
                own.enter(|mc| mc.account(trigger));
                own.enter(|mc| root.get(mc).set(mc, None));
                for _ in 0..100 {
                    own.enter(|mc| _ = Gc::new(mc, 1_u64));
                    assert_ne!(own.step(1 << 20), StepStatus::Completed, "{barrier}");
                }
                assert_eq!((held.0, drops.count()), (7, 0), "{barrier}");
                heap.account(-trigger);
            };
            std::thread::scope(|scope| scope.spawn(work).join().unwrap());
        });
        outer.collect();
        assert_eq!(drops.count(), 1, "{barrier}");
    }
}
