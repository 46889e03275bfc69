//! The cells: what each of them does, when it panics, and that no guard held harms a cycle.

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use common::{
    BARRIERS, CONCURRENT, Drops, Link, PATIENCE, Token, begin_cycle, finish_cycle, heap, long_list,
    panic_message, quiet_heap, tail_of, wait_until,
};
use tricolor_gc::{
    Barrier, Gc, GcCell, GcMutex, GcOnceCell, GcRef, GcRefCell, GcRwLock, GcSlot, Heap, Mutation,
    Root, Rootable, StepStatus, Trace, Tracer,
};

#[test]
fn slot() {
    Heap::new().attach().enter(|mc| {
        let (a, b) = (Gc::new(mc, 1), Gc::new(mc, 2));
        let slot = Gc::new(mc, GcSlot::new(a));
        assert!(Gc::ptr_eq(slot.get(), a));
        slot.set(mc, b);
        assert!(Gc::ptr_eq(slot.swap(mc, a), b));
        assert!(Gc::ptr_eq(slot.compare_exchange(mc, a, b).unwrap(), a));
        assert!(Gc::ptr_eq(slot.compare_exchange(mc, a, a).unwrap_err(), b));
        assert!(Gc::ptr_eq(slot.get(), b));
        let empty = GcSlot::<Option<Gc<'_, u8>>>::default();
        assert!(empty.get().is_none());
        assert_eq!(format!("{slot:?}"), "GcSlot(2)");
    });
}

#[test]
fn cell() {
    Heap::new().attach().enter(|mc| {
        let cell = Gc::new(mc, GcCell::new((1, Some(Gc::new(mc, 'a')))));
        let old = cell.replace(mc, (2, None));
        assert_eq!((old.0, *old.1.unwrap()), (1, 'a'));
        assert_eq!(cell.get().0, 2);
        cell.set(mc, (3, old.1));
        assert_eq!(cell.get(), (3, old.1));
    });
}

#[test]
fn once_cell() {
    Heap::new().attach().enter(|mc| {
        let cell = Gc::new(mc, GcOnceCell::new());
        assert_eq!(cell.get(), None);
        assert_eq!(cell.get_or_init(mc, || 5), &5);
        assert_eq!(cell.get_or_init(mc, || unreachable!()), &5);
        assert_eq!(cell.set(mc, 6), Err(6));
        // An initialiser that panics leaves the cell empty.
        let cell = Gc::new(mc, GcOnceCell::<u8>::new());
        assert_eq!(
            panic_message(|| *cell.get_or_init(mc, || panic!("no"))),
            "no"
        );
        assert_eq!(cell.get(), None);
        assert_eq!(cell.get_or_init(mc, || 7), &7);
        let cell = Gc::new(mc, GcOnceCell::<u8>::new());
        // One that sets the cell itself is refused, or the two would disagree on the value.
        let text = panic_message(|| {
            cell.get_or_init(mc, || {
                let _ = cell.set(mc, 1);
                2
            });
        });
        assert!(!text.is_empty());
        assert_ne!(cell.get(), Some(&2));
    });
}

/// Calls a function when it is traced.
struct OnTrace(Box<dyn Fn() + Send + Sync>);

// SAFETY: there are no pointers to report; the function may run on any thread, and so may its destructor.
unsafe impl Trace<'_> for OnTrace {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        (self.0)();
    }
}

/// A marker may be reading the cell until it is claimed, so the claim finds what was there before: nothing to trace.
#[test]
fn a_once_cell_is_claimed_before_it_is_written() {
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let (mut mutator, count) = (heap.attach(), Arc::new(AtomicU32::new(0)));
        let _root: Root<Rootable![Link<'_, u8>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, 0)));
        begin_cycle(&mut mutator);
        mutator.enter(|mc| {
            let cell = Gc::new(mc, GcOnceCell::new());
            let counted = count.clone();
            let count_it = move || {
                counted.fetch_add(1, Ordering::Relaxed);
            };
            assert!(cell.set(mc, OnTrace(Box::new(count_it))).is_ok());
            assert_eq!(count.load(Ordering::Relaxed), 0, "{barrier}");
        });
        finish_cycle(&mut mutator);
    }
}

#[test]
fn ref_cell() {
    Heap::new().attach().enter(|mc| {
        let cell = Gc::new(mc, GcRefCell::new(vec![1, 2]));
        assert_eq!(cell.replace(mc, vec![3]), [1, 2]);
        assert_eq!(cell.take(mc), [3]);
        cell.borrow_mut(mc).push(4);
        let first = GcRef::map(cell.borrow(), |list| &list[0]);
        let second = GcRef::clone(&first);
        assert_eq!((*first, *second), (4, 4));
        assert!(cell.try_borrow().is_some() && cell.try_borrow_mut(mc).is_none());
        assert_eq!(
            panic_message(|| drop(cell.borrow_mut(mc))),
            "GcRefCell is already borrowed"
        );
        drop(first);
        assert!(cell.try_borrow_mut(mc).is_none(), "the clone counts too");
        drop(second);
        let guard = cell.try_borrow_mut(mc).unwrap();
        assert!(cell.try_borrow().is_none() && cell.try_borrow_mut(mc).is_none());
        let text = panic_message(|| drop(cell.borrow()));
        assert_eq!(text, "GcRefCell is already mutably borrowed");
        assert_eq!(format!("{cell:?}"), "GcRefCell(<borrowed>)");
        drop(guard);
        assert_eq!(format!("{cell:?}"), "GcRefCell([4])");
        let copy: Vec<i32> = cell.borrow().clone();
        assert_eq!(copy, [4], "of the value, not of the borrow");
    });
}

/// Optimised, a guard that promises more than it holds gives what was written after it had gone.
#[test]
fn what_was_copied_out_of_a_borrow_is_not_what_is_written_later() {
    #[inline(never)]
    fn copy<'gc>(
        mc: &Mutation<'gc>,
        cell: &GcRefCell<[u64; 64]>,
        borrow: GcRef<'_, [u64; 64]>,
        copied: &mut [u64; 64],
    ) {
        let before = *borrow;
        drop(borrow);
        cell.borrow_mut(mc)[0] = 2;
        *copied = before;
    }
    Heap::new().attach().enter(|mc| {
        let (cell, mut copied) = (GcRefCell::new([1; 64]), [0; 64]);
        copy(mc, &cell, cell.borrow(), &mut copied);
        assert_eq!(copied, [1; 64]);
    });
}

#[test]
fn mutex_and_rw_lock() {
    Heap::new().attach().enter(|mc| {
        let mutex = Gc::new(mc, GcMutex::new(1));
        *mutex.lock(mc) += 1;
        let guard = mutex.try_lock(mc).unwrap();
        assert!(mutex.try_lock(mc).is_none());
        assert_eq!(*guard, 2);
        drop(guard);
        assert!(mutex.try_lock(mc).is_some());
        let lock = Gc::new(mc, GcRwLock::new(vec![1]));
        {
            let (one, two) = (lock.read(), lock.try_read().unwrap());
            assert_eq!((one.len(), two.len()), (1, 1));
            assert!(lock.try_write(mc).is_none());
        }
        lock.write(mc).push(2);
        let guard = lock.try_write(mc).unwrap();
        assert!(lock.try_read().is_none());
        drop(guard);
        assert_eq!(*lock.read(), [1, 2]);
    });
}

#[test]
fn cells_outside_a_heap_give_their_value_back() {
    assert_eq!(GcRefCell::new(5).into_inner(), 5);
    assert_eq!(GcMutex::new(5).into_inner(), 5);
    assert_eq!(GcRwLock::new(5).into_inner(), 5);
    let mut cell = GcRefCell::new(String::new());
    cell.get_mut().push('x');
    assert_eq!(cell.into_inner(), "x");
    let mut mutex = GcMutex::new(1);
    *mutex.get_mut() += 1;
    assert_eq!(mutex.into_inner(), 2);
}

type Leaf<'gc> = Gc<'gc, Token>;

#[test]
fn a_guard_is_held_while_cycles_are_asked_for() {
    type Kept = Rootable![GcRefCell<Vec<Gc<'_, Vec<u64>>>>];
    for barrier in BARRIERS {
        for markers in [0, 1] {
            let heap = Heap::builder()
                .barrier(barrier)
                .marker_threads(markers)
                .min_heap(64 << 10)
                .build()
                .unwrap();
            let mut mutator = heap.attach();
            let root: Root<Kept> =
                mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcRefCell::new(Vec::new()))));
            let (mut round, began) = (0, Instant::now());
            while round < 20 || heap.stats().cycles <= 2 {
                assert!(began.elapsed() < PATIENCE, "{barrier}: no cycles");
                round += 1;
                mutator.enter(|mc| {
                    let cell = root.get(mc);
                    let mut guard = cell.borrow_mut(mc);
                    guard.clear();
                    for index in 0..500 {
                        guard.push(Gc::new(mc, vec![round, index]));
                        Gc::new(mc, vec![0; 10]);
                    }
                });
                mutator.enter(|mc| {
                    let cell = root.get(mc);
                    let all = cell.borrow();
                    let good = (0..500).all(|index| *all[index as usize] == [round, index]);
                    assert!(good, "{barrier}, round {round}");
                });
            }
        }
    }
}

#[test]
fn a_lock_is_held_while_another_thread_collects() {
    type Kept = Rootable![GcMutex<Vec<Gc<'_, Token>>>];
    for barrier in BARRIERS {
        let heap = heap(barrier, 1);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Kept> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcMutex::new(Vec::new()))));
        let asked = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                asked.wait();
                heap.collect();
            });
            mutator.enter(|mc| {
                let mutex = root.get(mc);
                let mut guard = mutex.lock(mc);
                asked.wait();
                // The cycle has begun when it asks this mutator to yield.
                wait_until("the cycle waits for this mutator", || mc.should_yield());
                guard.extend((0..100).map(|_| Gc::new(mc, drops.token())));
            });
        });
        mutator.collect();
        assert_eq!(drops.count(), 0, "{barrier}");
    }
}

#[derive(Trace)]
struct Nested<'gc> {
    boxed: Box<GcRefCell<Option<Leaf<'gc>>>>,
    cells: GcRefCell<Vec<GcRefCell<Vec<Leaf<'gc>>>>>,
    map: GcRefCell<HashMap<String, GcCell<Option<Leaf<'gc>>>>>,
    locks: GcMutex<Option<Box<GcRwLock<Vec<Leaf<'gc>>>>>>,
}

/// Cells in boxes, in vectors, in maps, in cells; written in the middle of the marking.
#[test]
fn cells_inside_containers_inside_cells() {
    type Kept = Rootable![common::Link<'_, Nested<'_>>];
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Kept> = mutator.enter(|mc| {
            let leaf = || Gc::new(mc, drops.token());
            let map = HashMap::from([("a".to_owned(), GcCell::new(Some(leaf())))]);
            let nested = Nested {
                boxed: Box::new(GcRefCell::new(Some(leaf()))),
                cells: GcRefCell::new(vec![GcRefCell::new(vec![leaf()])]),
                map: GcRefCell::new(map),
                locks: GcMutex::new(Some(Box::new(GcRwLock::new(vec![leaf()])))),
            };
            Root::new(mc, long_list(mc, nested))
        });
        begin_cycle(&mut mutator);
        mutator.enter(|mc| {
            let leaf = || Gc::new(mc, drops.token());
            let nested = tail_of(root.get(mc));
            // Inner cells through a shared borrow of the outer, and the outer afterwards.
            nested.boxed.replace(mc, Some(leaf()));
            nested.cells.borrow()[0].borrow_mut(mc).push(leaf());
            nested
                .cells
                .borrow_mut(mc)
                .push(GcRefCell::new(vec![leaf()]));
            nested.map.borrow()["a"].set(mc, Some(leaf()));
            let cell = GcCell::new(Some(leaf()));
            nested.map.borrow_mut(mc).insert("b".to_owned(), cell);
            let lock = nested.locks.lock(mc);
            lock.as_ref().unwrap().write(mc).push(leaf());
        });
        finish_cycle(&mut mutator);
        mutator.collect();
        // Two were overwritten.
        assert_eq!(drops.count(), 2, "{barrier}");
        mutator.enter(|mc| {
            let nested = tail_of(root.get(mc));
            assert_eq!(nested.cells.borrow()[0].borrow().len(), 2);
            assert_eq!(nested.map.borrow().len(), 2);
            nested.locks.lock(mc).take();
            nested.cells.borrow_mut(mc).clear();
        });
        mutator.collect();
        mutator.collect();
        assert_eq!(drops.count(), 7, "{barrier}");
    }
}

/// The markers come by while a cell inside another is being written: the outer one counts as scanned when the inner one has been.
#[test]
fn a_guard_of_an_inner_cell_is_held_while_markers_pass() {
    type Inner<'gc> = GcRefCell<Vec<Leaf<'gc>>>;
    type Outer<'gc> = (GcRefCell<Inner<'gc>>, GcRwLock<Vec<GcMutex<Leaf<'gc>>>>);
    for (barrier, leak) in CONCURRENT.into_iter().flat_map(|b| [(b, false), (b, true)]) {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Rootable![common::Link<'_, Outer<'_>>]> = mutator.enter(|mc| {
            let leaf = || Gc::new(mc, drops.token());
            let inner = GcRefCell::new(GcRefCell::new(vec![leaf()]));
            let locks = GcRwLock::new(vec![GcMutex::new(leaf())]);
            Root::new(mc, long_list(mc, (inner, locks)))
        });
        begin_cycle(&mut mutator);
        mutator.enter(|mc| {
            let leaf = || Gc::new(mc, drops.token());
            let outer = tail_of(root.get(mc));
            let (cell, locks) = (outer.0.borrow(), outer.1.read());
            let (mut cell, mut lock) = (cell.borrow_mut(mc), locks[0].lock(mc));
            cell.push(leaf());
            *lock = leaf();
            std::thread::scope(|scope| {
                let marks = || {
                    let mut other = heap.attach();
                    while other.step(1 << 20) == StepStatus::InProgress {}
                };
                scope.spawn(marks);
            });
            if leak {
                std::mem::forget((cell, lock));
            }
        });
        finish_cycle(&mut mutator);
        mutator.collect();
        assert_eq!(
            drops.count(),
            1,
            "{barrier}, leak {leak}: one was overwritten"
        );
    }
}

/// The marker that comes back to a cell is the only one to know what was in it.
#[test]
fn a_panic_of_trace_when_a_cell_is_looked_at_again_is_not_forgotten() {
    type Kept = Rootable![Link<'_, GcRefCell<OnTrace>>];
    let heap = quiet_heap(Barrier::Insertion);
    let (mut mutator, armed) = (heap.attach(), Arc::new(AtomicU32::new(0)));
    let fuse = armed.clone();
    let root: Root<Kept> = mutator.enter(|mc| {
        let go_off = move || assert_eq!(fuse.swap(0, Ordering::Relaxed), 0, "it went off");
        let cell = GcRefCell::new(OnTrace(Box::new(go_off)));
        Root::new(mc, long_list(mc, cell))
    });
    begin_cycle(&mut mutator);
    mutator.enter(|mc| {
        let _guard = tail_of(root.get(mc)).borrow_mut(mc);
        let marks = || {
            let mut other = heap.attach();
            while other.step(1 << 20) == StepStatus::InProgress {}
        };
        std::thread::scope(|scope| scope.spawn(marks).join().unwrap());
        armed.store(1, Ordering::Relaxed);
    });
    assert!(finish_cycle(&mut mutator).abandoned);
    assert_eq!(armed.load(Ordering::Relaxed), 0);
    assert!(panic_message(|| mutator.collect()).contains("it went off"));
    assert!(!mutator.collect().abandoned);
}

/// Every way to take things out of a cell's contents, in the middle of the marking: what has been taken lives elsewhere.
#[test]
fn bulk_changes_while_marking() {
    type Kept = Rootable![common::Link<'_, (GcRefCell<Vec<Leaf<'_>>>, GcRefCell<Vec<Leaf<'_>>>)>];
    type Change = for<'a, 'gc> fn(&'a mut Vec<Leaf<'gc>>, &'a mut Vec<Leaf<'gc>>);
    let changes: [Change; 6] = [
        |from, to| std::mem::swap(from, to),
        |from, to| to.append(from),
        |from, to| to.extend(from.drain(10..90)),
        |from, to| *to = std::mem::take(from).into_iter().rev().collect(),
        |from, to| to.extend_from_slice(from),
        |from, to| {
            from.rotate_left(31);
            to.splice(.., from.split_off(50));
        },
    ];
    for barrier in CONCURRENT {
        for (index, change) in changes.into_iter().enumerate() {
            let heap = quiet_heap(barrier);
            let mut mutator = heap.attach();
            let drops = Drops::new();
            let root: Root<Kept> = mutator.enter(|mc| {
                let full = (0..100).map(|_| Gc::new(mc, drops.token())).collect();
                let pair = (GcRefCell::new(full), GcRefCell::new(Vec::new()));
                Root::new(mc, long_list(mc, pair))
            });
            begin_cycle(&mut mutator);
            mutator.enter(|mc| {
                let (from, to) = tail_of(root.get(mc));
                change(&mut from.borrow_mut(mc), &mut to.borrow_mut(mc));
            });
            finish_cycle(&mut mutator);
            mutator.collect();
            assert_eq!(drops.count(), 0, "{barrier}, change {index}");
        }
    }
}

/// A cell that was scanned where it was is taken out of the heap, written without any barrier, as is its owner's right,
/// and put into another object.
macro_rules! moved_cells {
    ($name:ident, $cell:ident, |$owned:ident| $get:expr) => {
        #[test]
        fn $name() {
            type Inner<'gc> = $cell<Option<Leaf<'gc>>>;
            #[derive(Trace)]
            struct Holder<'gc> {
                outer: GcRefCell<Inner<'gc>>,
                again: GcRefCell<Inner<'gc>>,
                list: Gc<'gc, common::Link<'gc, u8>>,
                kept: GcCell<Option<Gc<'gc, Inner<'gc>>>>,
            }
            for barrier in CONCURRENT {
                let heap = quiet_heap(barrier);
                let mut mutator = heap.attach();
                let drops = Drops::new();
                let root: Root<Rootable![Holder<'_>]> = mutator.enter(|mc| {
                    let holder = Holder {
                        outer: GcRefCell::new($cell::new(None)),
                        again: GcRefCell::new($cell::new(None)),
                        list: long_list(mc, 0),
                        kept: GcCell::new(None),
                    };
                    Root::new(mc, Gc::new(mc, holder))
                });
                begin_cycle(&mut mutator);
                mutator.enter(|mc| {
                    let holder = root.get(mc);
                    assert_eq!(tail_of(holder.list), &0);
                    let leaf = || Some(Gc::new(mc, drops.token()));
                    // Into a new object, and back to its place.
                    let mut $owned = holder.outer.replace(mc, $cell::new(None));
                    *$get = leaf();
                    holder.kept.set(mc, Some(Gc::new(mc, $owned)));
                    let mut $owned = holder.again.replace(mc, $cell::new(None));
                    *$get = leaf();
                    holder.again.replace(mc, $owned);
                });
                finish_cycle(&mut mutator);
                mutator.collect();
                assert_eq!(drops.count(), 0, "{barrier}");
                mutator.enter(|mc| {
                    let holder = root.get(mc);
                    holder.kept.set(mc, None);
                    holder.again.replace(mc, $cell::new(None));
                });
                mutator.collect();
                mutator.collect();
                assert_eq!(drops.count(), 2, "{barrier}");
            }
        }
    };
}

moved_cells!(ref_cells_that_move, GcRefCell, |cell| cell.get_mut());
moved_cells!(mutexes_that_move, GcMutex, |cell| cell.get_mut());
moved_cells!(rw_locks_that_move, GcRwLock, |cell| cell.get_mut());
