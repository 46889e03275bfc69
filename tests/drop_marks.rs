//! Destructors and the lives of a slot: what dies in its second object, what never lived, and what outlasts all epochs.

mod common;

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{BARRIERS, Drops, Token, TokenRoot, heap, heaps};
use tricolor_gc::{Barrier, Gc, GcWeak, Heap, Mutation, Mutator, Root, Rootable, Trace, Tracer};

/// Counts its destructions, on its own thread.
#[derive(Trace)]
#[trace(skip)]
struct AtHome(Rc<Cell<usize>>);

impl Drop for AtHome {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Panics when it is traced, if it is told to.
struct Bomb(&'static AtomicBool);

// SAFETY: it holds no pointer and has no destructor.
unsafe impl<'gc> Trace<'gc> for Bomb {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'gc>) {
        assert!(!self.0.load(Ordering::SeqCst), "a bomb went off");
    }
}

/// Builders that panic, with slots that nothing is ever in.
fn fail_to_build(mc: &Mutation<'_>, drops: &Drops) {
    let make = |_: GcWeak<'_, (Token, AtHome)>| -> (Token, AtHome) {
        let _dropped_by_the_panic = drops.token();
        std::panic::resume_unwind(Box::new("no object"));
    };
    catch_unwind(AssertUnwindSafe(|| {
        Gc::new_cyclic(mc, make);
    }))
    .unwrap_err();
    let element = |index| {
        if index == 2 {
            std::panic::resume_unwind(Box::new("no slice"));
        }
        drops.token()
    };
    catch_unwind(AssertUnwindSafe(|| {
        Gc::slice_from_fn(mc, 4, element);
    }))
    .unwrap_err();
}

/// Tokens that `fail_to_build` makes and drops.
const IN_VAIN: usize = 3;

#[test]
fn every_generation_of_a_slot_is_dropped_at_home() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let count = Rc::new(Cell::new(0));
        let drops = Drops::new();
        let mut kept: Vec<Root<Rootable![AtHome]>> = Vec::new();
        for round in 1..=8 {
            mutator.enter(|mc| {
                fail_to_build(mc, &drops);
                for index in 0..1000 {
                    let object = Gc::new(mc, AtHome(count.clone()));
                    if round == 1 && index % 100 == 0 {
                        kept.push(Root::new(mc, object));
                    }
                }
            });
            // The one finds them dead, and drops them here; the other has their slots back.
            mutator.collect();
            mutator.collect();
            let expected = round * 1000 - kept.len();
            assert_eq!(count.get(), expected, "{}, round {round}", heap.barrier());
            assert_eq!(drops.count(), round * IN_VAIN);
        }
        drop(kept);
        drop((mutator, heap));
        assert_eq!((count.get(), Rc::strong_count(&count)), (8000, 1));
    }
}

/// Knows the thread that made it, where it must be dropped.
#[derive(Trace)]
#[trace(skip)]
struct Native(thread::ThreadId, PhantomData<Rc<()>>, Drops);

impl Drop for Native {
    fn drop(&mut self) {
        if thread::current().id() == self.0 {
            self.2.token();
        }
    }
}

/// Two threads make objects of one type: each drops its own.
#[test]
fn objects_of_one_type_are_dropped_by_the_thread_that_made_them() {
    const OBJECTS: usize = 100;
    let make = |mutator: &mut Mutator, drops: &Drops| {
        mutator.enter(|mc| {
            for _ in 0..OBJECTS {
                Gc::new(
                    mc,
                    Native(thread::current().id(), PhantomData, drops.clone()),
                );
            }
        });
    };
    for barrier in BARRIERS {
        let heap = heap(barrier, 0);
        let (here, there) = (Drops::new(), Drops::new());
        let mut mutator = heap.attach();
        for round in 1..=3 {
            make(&mut mutator, &here);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut mutator = heap.attach();
                    make(&mut mutator, &there);
                    mutator.collect();
                    mutator.enter(|_| {});
                });
            });
            assert_eq!(there.count(), round * OBJECTS, "{barrier}");
            mutator.collect();
            assert_eq!(here.count(), round * OBJECTS, "{barrier}");
        }
    }
}

#[test]
fn the_end_of_a_heap_drops_the_second_generation() {
    for barrier in BARRIERS {
        let heap = heap(barrier, 0);
        let mut mutator = heap.attach();
        let count = Rc::new(Cell::new(0));
        for _ in 0..2 {
            mutator.collect();
            mutator.collect();
            mutator.enter(|mc| {
                for _ in 0..1000 {
                    Gc::new(mc, AtHome(count.clone()));
                }
            });
        }
        assert_eq!(count.get(), 1000, "{barrier}");
        drop((mutator, heap));
        assert_eq!(count.get(), 2000, "{barrier}");
    }
}

/// Calls a function when it is dropped, at home.
#[derive(Trace)]
#[trace(skip)]
struct Calls(Rc<dyn Fn()>);

impl Drop for Calls {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A letter that comes while the thread empties its box is not forgotten.
#[test]
fn what_dies_while_destructors_run_at_home_is_dropped_soon() {
    let heap = heap(Barrier::Hybrid, 0);
    let mut mutator = heap.attach();
    let count = Rc::new(Cell::new(0));
    let later: Rc<Cell<Option<Root<Rootable![AtHome]>>>> = Rc::default();
    let (dies, collected) = (later.clone(), heap.clone());
    let call = move || {
        drop(dies.take());
        collect_elsewhere(&collected, false);
    };
    mutator.enter(|mc| {
        Gc::new(mc, Calls(Rc::new(call)));
        later.set(Some(Root::new(mc, Gc::new(mc, AtHome(count.clone())))));
    });
    collect_elsewhere(&heap, false);
    for _ in 0..2 {
        mutator.enter(|_| {});
    }
    assert_eq!(count.get(), 1);
}

/// Its destructor calls a function at home, and uses its contents after that.
#[derive(Trace)]
#[trace(skip)]
struct Outlasts(Rc<dyn Fn()>, [u64; 64], Rc<Cell<usize>>);

impl Drop for Outlasts {
    fn drop(&mut self) {
        (self.0)();
        assert_eq!(self.1, [7; 64]);
        self.2.set(self.2.get() + 1);
    }
}

/// It is its span's only object: the whole span would go, and its pages to others.
#[test]
fn a_slot_is_its_objects_until_the_destructor_has_run_at_home() {
    for barrier in BARRIERS {
        let heap = heap(barrier, 0);
        let mut mutator = heap.attach();
        let count = Rc::new(Cell::new(0));
        let used = heap.clone();
        let use_memory_elsewhere = move || {
            let use_memory = || {
                let mut mutator = used.attach();
                mutator.collect();
                mutator.enter(|mc| {
                    for _ in 0..1000 {
                        Gc::new(mc, [1_u64; 80]);
                    }
                });
            };
            thread::scope(|scope| scope.spawn(use_memory).join().unwrap());
        };
        mutator.enter(|mc| {
            let call = Rc::new(use_memory_elsewhere);
            Gc::new(mc, Outlasts(call, [7; 64], count.clone()));
        });
        collect_elsewhere(&heap, false);
        mutator.enter(|_| {});
        assert_eq!(count.get(), 1, "{barrier}");
    }
}

/// May not leave its thread. Counts its destructions on any.
#[derive(Trace)]
#[trace(skip)]
struct Confined(
    #[expect(dead_code, reason = "its destructor counts")] Token,
    PhantomData<Rc<()>>,
);

/// The end of a heap leaks what is at home elsewhere, on a thread that lives or has ended.
#[test]
fn the_end_of_a_heap_drops_nothing_away_from_home() {
    let drops = Drops::new();
    let fill = |heap: &Heap| {
        heap.attach().enter(|mc| {
            Gc::new(mc, Confined(drops.token(), PhantomData));
        });
    };
    for barrier in BARRIERS {
        let made_here = heap(barrier, 0);
        fill(&made_here);
        thread::scope(|scope| scope.spawn(|| drop(made_here)).join().unwrap());
        let made_elsewhere = heap(barrier, 0);
        thread::scope(|scope| scope.spawn(|| fill(&made_elsewhere)).join().unwrap());
        drop(made_elsewhere);
        assert_eq!(drops.count(), 0, "{barrier}");
    }
    let at_home = heap(Barrier::Hybrid, 0);
    fill(&at_home);
    drop(at_home);
    assert_eq!(drops.count(), 1);
}

/// A cycle run by another thread, which cannot drop what is at home here.
fn collect_elsewhere(heap: &Heap, panics: bool) {
    thread::scope(|scope| {
        let collect = || catch_unwind(AssertUnwindSafe(|| heap.collect())).is_err();
        assert_eq!(scope.spawn(collect).join().unwrap(), panics);
    });
}

/// More cycles than there are epochs, each third one abandoned: it sweeps nothing, but old marks go all the same.
#[test]
fn slots_out_of_use_stay_so_through_all_epochs() {
    const ROUNDS: usize = 3 * 260;
    for barrier in BARRIERS {
        let heap = heap(barrier, 0);
        let mut mutator = heap.attach();
        let fuse: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let (count, drops) = (Rc::new(Cell::new(0)), Drops::new());
        let _bomb: Root<Rootable![Bomb]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, Bomb(fuse))));
        // It keeps the span of the failed builders in use.
        let _neighbour: Root<Rootable![(Token, AtHome)]> = mutator.enter(|mc| {
            let neighbour = (drops.token(), AtHome(count.clone()));
            Root::new(mc, Gc::new(mc, neighbour))
        });
        for round in 1..=ROUNDS {
            let abandoned = round % 3 == 0;
            mutator.enter(|mc| {
                fail_to_build(mc, &drops);
                Gc::new(mc, (drops.token(), AtHome(count.clone())));
            });
            // Found dead elsewhere, dropped here or not yet, and then marks are reset by a cycle that frees nothing.
            if round % 2 == 0 {
                collect_elsewhere(&heap, false);
            }
            if round % 5 != 0 {
                mutator.enter(|_| {});
            }
            fuse.store(abandoned, Ordering::SeqCst);
            collect_elsewhere(&heap, abandoned);
            fuse.store(false, Ordering::SeqCst);
        }
        mutator.collect();
        mutator.collect();
        assert_eq!(count.get(), ROUNDS, "{barrier}");
        assert_eq!(drops.count(), ROUNDS * (IN_VAIN + 1), "{barrier}");
        assert_eq!(heap.stats().drops_panicked, 0);
        assert_eq!(heap.stats().cycles_abandoned, ROUNDS as u64 / 3);
        drop((mutator, heap));
        assert_eq!((count.get(), Rc::strong_count(&count)), (ROUNDS + 1, 1));
        assert_eq!(drops.count(), ROUNDS * (IN_VAIN + 1) + 1, "{barrier}");
    }
}

/// Epochs, after which the colours of cycles come round. Cycles count from 1, and the first has the second epoch.
const EPOCHS: u64 = 250;

/// An object that keeps another.
#[derive(Trace)]
struct Parent<'gc>(Gc<'gc, Token>);

type ParentRoot = Root<Rootable![Parent<'_>]>;

/// A parent for each child.
fn parents(mutator: &mut Mutator, children: &[TokenRoot]) -> Vec<ParentRoot> {
    mutator.enter(|mc| {
        let parent = |child: &TokenRoot| Root::new(mc, Gc::new(mc, Parent(child.get(mc))));
        children.iter().map(parent).collect()
    })
}

/// Slots are marked last in cycle `marked`, and out of use until the cycle that has its colour again is about to begin. What
/// is made in them then must not look marked: nobody would trace it.
fn reuse_a_round_later(barrier: Barrier, marked: u64, keep_spans: bool) {
    // More than a span has room for.
    const PARENTS: usize = 1000;
    let heap = heap(barrier, 0);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let children: Vec<TokenRoot> = mutator.enter(|mc| {
        let child = |_| Root::new(mc, Gc::new(mc, drops.token()));
        (0..PARENTS).map(child).collect()
    });
    let mut old = Vec::new();
    while heap.stats().cycles < marked + EPOCHS - 1 {
        if heap.stats().cycles == marked - 1 {
            old = parents(&mut mutator, &children);
        }
        mutator.collect();
        if heap.stats().cycles == marked {
            old.truncate(if keep_spans { 1 } else { 0 });
        }
    }
    let new = parents(&mut mutator, &children);
    drop((children, old));
    mutator.collect();
    assert_eq!(drops.count(), 0, "{barrier}, marked in cycle {marked}");
    drop(new);
    mutator.collect();
    assert_eq!(drops.count(), PARENTS, "{barrier}");
}

#[test]
fn an_old_mark_is_not_taken_for_a_new_one_when_epochs_come_round() {
    for barrier in [Barrier::Insertion, Barrier::StopTheWorld] {
        for marked in EPOCHS - 3..=EPOCHS + 2 {
            reuse_a_round_later(barrier, marked, false);
            reuse_a_round_later(barrier, marked, true);
        }
    }
}

/// Slots are given up, of objects never made and of such as have been dropped at home, while another thread looks at the marks of
/// their spans, which for small objects are compared many at a time. For ThreadSanitizer.
#[test]
fn marks_are_written_beside_the_sweep() {
    let heap = heap(Barrier::Hybrid, 1);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writes = scope.spawn(|| {
            let mut mutator = heap.attach();
            let count = Rc::new(Cell::new(0));
            for polls in (0..120_u8).cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                mutator.enter(|mc| {
                    (0..200).for_each(|_| {
                        Gc::new(mc, AtHome(count.clone()));
                    });
                    let make = |_: GcWeak<'_, String>| -> String {
                        // At these the barrier may go off.
                        (0..polls).for_each(|byte| assert_eq!(Gc::new(mc, [byte; 2048])[0], byte));
                        std::panic::resume_unwind(Box::new("no object"));
                    };
                    (0..200_u8)
                        .for_each(|n| assert_eq!(*Gc::new(mc, n.to_string()), n.to_string()));
                    catch_unwind(AssertUnwindSafe(|| {
                        Gc::new_cyclic(mc, make);
                    }))
                    .unwrap_err();
                });
            }
        });
        for _ in 0..100 {
            heap.collect();
        }
        over.store(true, Ordering::Relaxed);
        // Waited for by name: ThreadSanitizer does not see the end of a scope.
        writes.join().unwrap();
    });
}
