//! Panics at every place where user code runs: the heap stays whole, nothing is freed that lives, nothing dies twice.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicIsize, Ordering};

use common::{
    BARRIERS, CONCURRENT, Drops, Token, begin_cycle, finish_cycle, heap, heaps, long_list,
    message_of, panic_message, quiet_heap, tail_of,
};
use tricolor_gc::{
    Barrier, Gc, GcMutex, GcRefCell, GcRwLock, GcWeak, Heap, Mutator, Root, Rootable, StepStatus,
    Trace, Tracer,
};

/// Panics when it is traced and `fuse` has burnt down to zero. One fuse per test.
struct Bomb<'gc, 'fuse> {
    fuse: &'fuse AtomicIsize,
    token: Gc<'gc, Token>,
}

// SAFETY: the one pointer is reported, or `trace` panics; nothing else is a pointer into the heap, and there is no
// destructor. The fuse is atomic.
unsafe impl<'gc> Trace<'gc> for Bomb<'gc, 'static> {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        if self.fuse.fetch_sub(1, Ordering::SeqCst) == 1 {
            panic!("a bomb went off");
        }
        self.token.trace(tracer);
    }
}

/// A fuse that never burns down by itself.
fn fuse() -> &'static AtomicIsize {
    Box::leak(Box::new(AtomicIsize::new(0)))
}

type BombRoot = Root<Rootable![Bomb<'_, 'static>]>;

fn bomb(mutator: &mut Mutator, fuse: &'static AtomicIsize, drops: &Drops) -> BombRoot {
    mutator.enter(|mc| {
        Root::new(
            mc,
            Gc::new(
                mc,
                Bomb {
                    fuse,
                    token: Gc::new(mc, drops.token()),
                },
            ),
        )
    })
}

/// A collection that panics; its message.
fn failed_collect(mutator: &mut Mutator) -> String {
    panic_message(|| mutator.collect())
}

#[test]
fn a_panic_in_trace_abandons_the_cycle_and_reaches_the_next_collect() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let (drops, fuse) = (Drops::new(), fuse());
        let root = bomb(&mut mutator, fuse, &drops);
        mutator.enter(|mc| {
            for _ in 0..100 {
                Gc::new(mc, drops.token());
            }
        });
        fuse.store(1, Ordering::SeqCst);
        assert_eq!(
            failed_collect(&mut mutator),
            "a bomb went off",
            "{}",
            heap.barrier()
        );
        assert_eq!(drops.count(), 0, "an abandoned cycle frees nothing");
        let last = heap.last_cycle().unwrap();
        assert!(last.abandoned && last.objects_freed == 0, "{last}");
        assert_eq!(heap.stats().cycles_abandoned, 1);
        // The next one is as if nothing had been.
        let next = mutator.collect();
        assert_eq!((next.abandoned, next.objects_freed), (false, 100), "{next}");
        assert_eq!(drops.count(), 100);
        drop(root);
        mutator.collect();
        assert_eq!(drops.count(), 101);
    }
}

#[test]
fn a_panic_in_trace_at_any_time_of_the_marking() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let (drops, fuse) = (Drops::new(), fuse());
        let mut roots: Vec<BombRoot> = (0..50).map(|_| bomb(&mut mutator, fuse, &drops)).collect();
        for at in [1, 2, 25, 49, 50] {
            fuse.store(at, Ordering::SeqCst);
            assert_eq!(
                failed_collect(&mut mutator),
                "a bomb went off",
                "{}",
                heap.barrier()
            );
            assert_eq!(drops.count(), 0);
        }
        roots.truncate(20);
        assert_eq!(mutator.collect().objects_freed, 60);
        assert_eq!(drops.count(), 30);
        mutator.enter(|mc| assert!(roots.iter().all(|root| root.try_get(mc).is_some())));
    }
}

/// The marking has ended without having found everything: what it has not found is not dead.
#[test]
fn a_panic_in_trace_makes_no_weak_pointer_fail() {
    type Kept = Rootable![common::Link<'_, Bomb<'_, 'static>>];
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let (drops, fuse) = (Drops::new(), fuse());
        let (list, weak): (Root<Kept>, Root<Rootable![GcWeak<'_, Token>]>) = mutator.enter(|mc| {
            let token = Gc::new(mc, drops.token());
            let weak = Gc::new(mc, Gc::downgrade(token, mc));
            let list = long_list(mc, Bomb { fuse, token });
            (Root::new(mc, list), Root::new(mc, weak))
        });
        begin_cycle(&mut mutator);
        fuse.store(1, Ordering::SeqCst);
        mutator.enter(|mc| {
            let other = || {
                let mut other = heap.attach();
                while other.step(1 << 30) != StepStatus::Waiting {}
            };
            std::thread::scope(|scope| scope.spawn(other).join().unwrap());
            assert!(mc.should_yield(), "{barrier}: the marking is over");
            let token = tail_of(list.get(mc)).token;
            assert!(!weak.get(mc).is_dead(mc), "{barrier}");
            let found = weak.get(mc).upgrade(mc);
            assert!(
                found.is_some_and(|found| Gc::ptr_eq(found, token)),
                "{barrier}"
            );
        });
        assert!(finish_cycle(&mut mutator).abandoned);
        mutator.enter(|mc| assert!(weak.get(mc).upgrade(mc).is_some()));
        assert_eq!(failed_collect(&mut mutator), "a bomb went off");
        assert_eq!(drops.count(), 0);
    }
}

#[test]
fn a_panic_of_an_earlier_cycle_reaches_the_next_collect_once() {
    for barrier in BARRIERS {
        let heap = heap(barrier, 1);
        let mut mutator = heap.attach();
        let (drops, fuse) = (Drops::new(), fuse());
        let _root = bomb(&mut mutator, fuse, &drops);
        fuse.store(1, Ordering::SeqCst);
        mutator.enter(|mc| {
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        common::wait_until("the cycle has failed", || {
            heap.stats().cycles_abandoned == 1
        });
        assert_eq!(failed_collect(&mut mutator), "a bomb went off", "{barrier}");
        assert!(!mutator.collect().abandoned);
    }
}

#[derive(Trace)]
struct Cells<'gc> {
    ref_cell: GcRefCell<Option<Bomb<'gc, 'static>>>,
    mutex: GcMutex<Option<Bomb<'gc, 'static>>>,
    rw_lock: GcRwLock<Option<Bomb<'gc, 'static>>>,
}

/// The bomb goes off while the barrier traces the old contents (Deletion, Hybrid) or the new (Insertion).
#[test]
fn a_panic_in_trace_in_a_barrier_reaches_the_mutator_and_frees_nothing() {
    type Kept = Rootable![common::Link<'_, Cells<'_>>];
    for barrier in CONCURRENT {
        for place in 0..3 {
            let heap = quiet_heap(barrier);
            let mut mutator = heap.attach();
            let (drops, fuse) = (Drops::new(), fuse());
            let root: Root<Kept> = mutator.enter(|mc| {
                let bomb = || {
                    Some(Bomb {
                        fuse,
                        token: Gc::new(mc, drops.token()),
                    })
                };
                let cells = Cells {
                    ref_cell: GcRefCell::new(bomb()),
                    mutex: GcMutex::new(bomb()),
                    rw_lock: GcRwLock::new(bomb()),
                };
                Root::new(mc, long_list(mc, cells))
            });
            begin_cycle(&mut mutator);
            fuse.store(1, Ordering::SeqCst);
            let result = catch_unwind(AssertUnwindSafe(|| {
                mutator.enter(|mc| {
                    let cells = tail_of(root.get(mc));
                    match place {
                        0 => drop(cells.ref_cell.borrow_mut(mc)),
                        1 => drop(cells.mutex.lock(mc)),
                        _ => drop(cells.rw_lock.write(mc)),
                    }
                });
            }));
            if barrier == tricolor_gc::Barrier::Insertion {
                // The cell had not been scanned: the markers trace it, and meet the bomb.
                assert!(result.is_ok());
                assert!(finish_cycle(&mut mutator).abandoned);
                assert_eq!(failed_collect(&mut mutator), "a bomb went off");
            } else {
                assert_eq!(
                    message_of(&*result.unwrap_err()),
                    "a bomb went off",
                    "{barrier}"
                );
                assert!(finish_cycle(&mut mutator).abandoned, "{barrier}");
            }
            assert_eq!(drops.count(), 0, "{barrier}");
            // The cell is usable, and so is the heap.
            mutator.enter(|mc| {
                let cells = tail_of(root.get(mc));
                cells.ref_cell.borrow_mut(mc).take();
                cells.mutex.lock(mc).take();
                cells.rw_lock.write(mc).take();
            });
            assert!(!mutator.collect().abandoned);
            assert_eq!(drops.count(), 3, "{barrier}");
        }
    }
}

#[test]
fn a_panic_out_of_enter_in_every_phase() {
    type Kept = Rootable![common::Link<'_, GcRefCell<Vec<Gc<'_, Token>>>>];
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Kept> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, GcRefCell::new(Vec::new()))));
        let mut panics = 0;
        let mut panic_once = |mutator: &mut Mutator| {
            let text = panic_message(|| {
                mutator.enter(|mc| {
                    let list = tail_of(root.get(mc));
                    list.borrow_mut(mc).push(Gc::new(mc, drops.token()));
                    let _guard = list.borrow_mut(mc);
                    panic!("out of enter");
                });
            });
            assert_eq!(text, "out of enter");
            panics += 1;
        };
        panic_once(&mut mutator);
        begin_cycle(&mut mutator);
        loop {
            panic_once(&mut mutator);
            if mutator.step(400 << 10) == tricolor_gc::StepStatus::Completed {
                break;
            }
        }
        panic_once(&mut mutator);
        assert!(panics > 5, "{barrier}: too few phases");
        assert!(!mutator.collect().abandoned);
        mutator.enter(|mc| assert_eq!(tail_of(root.get(mc)).borrow().len(), panics));
        assert_eq!(drops.count(), 0, "{barrier}");
        drop(root);
        mutator.collect();
        assert_eq!(drops.count(), panics, "{barrier}");
    }
}

#[test]
fn a_panic_out_of_enter_holds_no_cycle_up() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        for _ in 0..5 {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                mutator.enter(|mc| {
                    Gc::new(mc, String::from("left behind"));
                    panic!("out of enter");
                });
            }));
            heap.collect();
        }
        mutator.collect();
        assert_eq!(heap.stats().objects_freed, 5);
    }
}

#[test]
fn a_panic_while_an_object_is_made_makes_none() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        #[derive(Trace)]
        struct Made<'gc> {
            token: Token,
            me: Gc<'gc, u8>,
        }
        mutator.enter(|mc| {
            let mut leaked = None;
            let text = panic_message(|| {
                Gc::new_cyclic(mc, |me| {
                    leaked = Some(me);
                    let _token = drops.token();
                    if me.upgrade(mc).is_none() {
                        panic!("in new_cyclic");
                    }
                    Made {
                        token: drops.token(),
                        me: Gc::new(mc, 1),
                    }
                });
            });
            assert_eq!((text.as_str(), drops.count()), ("in new_cyclic", 1));
            let weak = leaked.unwrap();
            assert!(weak.upgrade(mc).is_none(), "never made");
            // The slot of the object that was not made is used again.
            let made = Gc::new(
                mc,
                Made {
                    token: drops.token(),
                    me: Gc::new(mc, 2),
                },
            );
            assert!(weak.upgrade(mc).is_none());
            let _ = (&made.token, *made.me);
        });
        mutator.collect();
        assert_eq!(drops.count(), 2);
    }
}

#[test]
fn a_panic_while_a_slice_is_made_drops_what_was_made() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        for (len, at) in [(10, 0), (10, 7), (10_000, 9_999), (300_000, 200_000)] {
            let drops = Drops::new();
            mutator.enter(|mc| {
                let text = panic_message(|| {
                    Gc::slice_from_fn(mc, len, |index| {
                        assert!(index != at, "at {index}");
                        (drops.token(), Gc::new(mc, index))
                    });
                });
                assert_eq!(text, format!("at {at}"));
                assert_eq!(drops.count(), at);
            });
            mutator.collect();
            assert_eq!(drops.count(), at, "nothing is dropped twice");
        }
        assert_eq!(mutator.collect().objects_live, 0);
    }
}

/// The slot was taken while a cycle marked, and its span is swept while the slice is given up: for ThreadSanitizer.
#[test]
fn a_panic_while_a_slice_is_made_beside_the_sweep_of_its_span() {
    let heap = heap(Barrier::Hybrid, 1);
    let over = AtomicIsize::new(0);
    let work = |panics: bool| {
        let mut mutator = heap.attach();
        for round in (0..120).cycle() {
            if over.load(Ordering::Relaxed) != 0 {
                return;
            }
            mutator.enter(|mc| {
                let element = |index: usize| {
                    // At these the barrier may go off.
                    let polls = if panics && index == 0 { round } else { 0 };
                    (0..polls).for_each(|byte| assert_eq!(Gc::new(mc, [byte; 2048])[0], byte));
                    if panics && index == 7 {
                        resume_unwind(Box::new(()));
                    }
                    // Nothing atomic: it would be an order between the threads.
                    index.to_string()
                };
                let slice = AssertUnwindSafe(|| Gc::slice_from_fn(mc, 8, element).len());
                assert_eq!(catch_unwind(slice).is_err(), panics);
            });
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(true));
        scope.spawn(|| work(false));
        for _ in 0..300 {
            heap.collect();
        }
        over.store(1, Ordering::Relaxed);
    });
    assert_eq!(heap.collect().objects_live, 0);
}

#[test]
fn a_short_iterator_is_a_panic() {
    struct Liar;
    impl Iterator for Liar {
        type Item = u32;
        fn next(&mut self) -> Option<u32> {
            None
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (3, Some(3))
        }
    }
    impl ExactSizeIterator for Liar {}
    Heap::new().attach().enter(|mc| {
        let text = panic_message(|| {
            Gc::slice_from_iter(mc, Liar);
        });
        assert_eq!(text, "the iterator is shorter than its len()");
    });
}

/// What is inside is traced as ever, and the locks of the collector are whole.
#[test]
fn locks_are_not_poisoned() {
    type Locks<'gc> = (GcMutex<Vec<Gc<'gc, Token>>>, GcRwLock<Vec<Gc<'gc, Token>>>);
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Rootable![Locks<'_>]> = mutator.enter(|mc| {
            Root::new(
                mc,
                Gc::new(mc, (GcMutex::new(vec![]), GcRwLock::new(vec![]))),
            )
        });
        let text = panic_message(|| {
            mutator.enter(|mc| {
                let (mutex, rw_lock) = Gc::as_ref(root.get(mc));
                let (mut locked, mut written) = (mutex.lock(mc), rw_lock.write(mc));
                locked.push(Gc::new(mc, drops.token()));
                written.push(Gc::new(mc, drops.token()));
                panic!("with the locks held");
            });
        });
        assert_eq!(text, "with the locks held");
        for _ in 0..2 {
            assert!(!mutator.collect().abandoned, "{}", heap.barrier());
            assert_eq!(drops.count(), 0, "{}", heap.barrier());
        }
        mutator.enter(|mc| {
            let (mutex, rw_lock) = Gc::as_ref(root.get(mc));
            let (mut locked, mut written) = (mutex.lock(mc), rw_lock.write(mc));
            assert_eq!((locked.len(), written.len()), (1, 1));
            locked.clear();
            written.clear();
        });
        mutator.collect();
        assert_eq!(drops.count(), 2, "{}", heap.barrier());
    }
}

/// A program that catches the panic of a full heap, and tries again, finds room.
#[test]
fn what_is_left_by_panics_is_collected() {
    for barrier in BARRIERS {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.min_heap(1 << 16).max_heap(1 << 22).build().unwrap();
        let mut mutator = heap.attach();
        for _ in 0..1000 {
            let left = catch_unwind(AssertUnwindSafe(|| {
                mutator.enter(|mc| {
                    for _ in 0..100 {
                        Gc::try_new(mc, [0_u64; 16]).expect("room");
                    }
                    resume_unwind(Box::new("enough"));
                });
            }));
            assert!(left.unwrap_err().is::<&str>(), "{barrier}: no room");
        }
        assert!(heap.stats().cycles > 0, "{barrier}");
    }
}
