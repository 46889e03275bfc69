//! Guards that are leaked: their cells stay locked for ever, and no cycle waits for them or loses what they hold.

mod common;

use std::mem::forget;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{
    CONCURRENT, Drops, Token, begin_cycle, finish_cycle, heaps, long_list, quiet_heap, tail_of,
};
use tricolor_gc::{
    Barrier, Gc, GcMutex, GcRefCell, GcRwLock, GcSlot, GcWeak, Mutation, Root, Rootable,
    StepStatus, Trace, Tracer,
};

type Leaf<'gc> = Gc<'gc, Token>;

/// Places whose guards can leak.
#[derive(Trace)]
struct Guarded<'gc> {
    ref_cell: GcRefCell<Vec<Leaf<'gc>>>,
    mutex: GcMutex<Vec<Leaf<'gc>>>,
    rw_lock: GcRwLock<Vec<Leaf<'gc>>>,
    read: GcRwLock<Vec<Leaf<'gc>>>,
    shared: GcRefCell<Vec<Leaf<'gc>>>,
}

/// Objects made by `filled` and by `leak`.
const LEAVES: usize = 5 + 3;

impl<'gc> Guarded<'gc> {
    fn filled(leaf: impl Fn() -> Leaf<'gc>) -> Self {
        Guarded {
            ref_cell: GcRefCell::new(vec![leaf()]),
            mutex: GcMutex::new(vec![leaf()]),
            rw_lock: GcRwLock::new(vec![leaf()]),
            read: GcRwLock::new(vec![leaf()]),
            shared: GcRefCell::new(vec![leaf()]),
        }
    }

    /// Writes through guards that never end.
    fn leak(&'gc self, mc: &'gc Mutation<'gc>, drops: &Drops) {
        let leaf = || Gc::new(mc, drops.token());
        let mut guard = self.ref_cell.borrow_mut(mc);
        guard.push(leaf());
        forget(guard);
        let mut guard = self.mutex.lock(mc);
        guard.push(leaf());
        forget(guard);
        let mut guard = self.rw_lock.write(mc);
        guard.push(leaf());
        forget(guard);
        forget(self.read.read());
        forget(self.shared.borrow());
    }

    /// They are in place, though nobody will ever write them again.
    fn check(&self, mc: &Mutation<'gc>) {
        assert!(self.ref_cell.try_borrow().is_none());
        assert!(self.mutex.try_lock(mc).is_none());
        assert!(self.rw_lock.try_read().is_none());
        assert_eq!(self.read.read().len(), 1);
        assert_eq!(self.shared.borrow().len(), 1);
    }
}

type GuardedRoot = Root<Rootable![common::Link<'_, Guarded<'_>>]>;

#[test]
fn leaked_guards_neither_stop_a_cycle_nor_lose_a_child() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: GuardedRoot = mutator.enter(|mc| {
            let list = long_list(mc, Guarded::filled(|| Gc::new(mc, drops.token())));
            tail_of(list).leak(mc, &drops);
            Root::new(mc, list)
        });
        for _ in 0..3 {
            mutator.collect();
            assert_eq!(drops.count(), 0, "{}", heap.barrier());
            mutator.enter(|mc| tail_of(root.get(mc)).check(mc));
        }
        drop(root);
        mutator.collect();
        assert_eq!(drops.count(), LEAVES, "{}", heap.barrier());
    }
}

#[test]
fn guards_leaked_while_marking() {
    for barrier in CONCURRENT {
        // In the middle of the first cycle, or after so many steps of it.
        for steps in 0..8 {
            let heap = quiet_heap(barrier);
            let mut mutator = heap.attach();
            let drops = Drops::new();
            let root: GuardedRoot = mutator.enter(|mc| {
                let leaf = || Gc::new(mc, drops.token());
                Root::new(mc, long_list(mc, Guarded::filled(leaf)))
            });
            begin_cycle(&mut mutator);
            let mut running = true;
            for _ in 0..steps {
                running = running && mutator.step(500 << 10) != StepStatus::Completed;
            }
            mutator.enter(|mc| tail_of(root.get(mc)).leak(mc, &drops));
            if running {
                finish_cycle(&mut mutator);
            }
            for _ in 0..3 {
                assert_eq!(drops.count(), 0, "{barrier}, after {steps} steps");
                mutator.enter(|mc| tail_of(root.get(mc)).check(mc));
                mutator.collect();
            }
            drop(root);
            mutator.collect();
            assert_eq!(drops.count(), LEAVES, "{barrier}, after {steps} steps");
        }
    }
}

/// Between the two handshakes of the Hybrid barrier guards shade when they end, if others may be Black; a leaked one cannot.
#[test]
fn guards_leaked_while_a_straggler_holds_up_the_arming() {
    for others_are_black in [false, true] {
        leak_while_arming(others_are_black);
    }
}

fn leak_while_arming(others_are_black: bool) {
    let heap = quiet_heap(Barrier::Hybrid);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let root: GuardedRoot = mutator.enter(|mc| {
        Root::new(
            mc,
            long_list(mc, Guarded::filled(|| Gc::new(mc, drops.token()))),
        )
    });
    mutator.collect();
    let (inside, go_on) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut straggler = heap.attach();
            straggler.enter(|_| {
                inside.wait();
                go_on.wait();
            });
            if others_are_black {
                straggler.enter(|_| ());
                go_on.wait();
            }
        });
        inside.wait();
        mutator.enter(|mc| {
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        assert_eq!(mutator.step(1), StepStatus::Waiting, "for the straggler");
        // This mutator is grey now.
        mutator.enter(|mc| {
            if others_are_black {
                go_on.wait();
                go_on.wait();
            }
            tail_of(root.get(mc)).leak(mc, &drops);
        });
        if !others_are_black {
            go_on.wait();
        }
        let cycle = finish_cycle(&mut mutator);
        let stops = u32::from(others_are_black);
        assert_eq!(cycle.stops, stops, "it arms again, by a stop: {cycle}");
    });
    for _ in 0..2 {
        assert_eq!(drops.count(), 0);
        mutator.enter(|mc| tail_of(root.get(mc)).check(mc));
        assert_eq!(mutator.collect().stops, 0, "once only");
    }
    drop(root);
    mutator.collect();
    assert_eq!(drops.count(), LEAVES);
}

/// Cells that are scanned first, and a list that ends in the only other reference to an object.
#[derive(Trace)]
struct Early<'gc> {
    guarded: Guarded<'gc>,
    list: Gc<'gc, common::Link<'gc, GcSlot<Option<Leaf<'gc>>>>>,
}

/// A pointer that is only in a cell which no marker will look at again, and which no guard's end will shade.
#[test]
fn guards_of_scanned_cells_leaked_with_the_last_pointer() {
    type Write = for<'gc> fn(&'gc Guarded<'gc>, &'gc Mutation<'gc>, Leaf<'gc>);
    let writes: [Write; 3] = [
        |guarded, mc, leaf| {
            let mut guard = guarded.ref_cell.borrow_mut(mc);
            guard.push(leaf);
            forget(guard);
        },
        |guarded, mc, leaf| {
            let mut guard = guarded.mutex.lock(mc);
            guard.push(leaf);
            forget(guard);
        },
        |guarded, mc, leaf| {
            let mut guard = guarded.rw_lock.write(mc);
            guard.push(leaf);
            forget(guard);
        },
    ];
    for barrier in CONCURRENT {
        for (write, detach) in writes.into_iter().flat_map(|w| [(w, false), (w, true)]) {
            let heap = quiet_heap(barrier);
            let mut mutator = heap.attach();
            let drops = Drops::new();
            let root: Root<Rootable![Early<'_>]> = mutator.enter(|mc| {
                let leaf = || Gc::new(mc, drops.token());
                let early = Early {
                    guarded: Guarded::filled(leaf),
                    list: long_list(mc, GcSlot::new(Some(leaf()))),
                };
                Root::new(mc, Gc::new(mc, early))
            });
            begin_cycle(&mut mutator);
            mutator.enter(|mc| {
                let early = Gc::as_ref(root.get(mc));
                let slot = tail_of(early.list);
                write(&early.guarded, mc, slot.get().unwrap());
                slot.set(mc, None);
            });
            if detach {
                mutator = heap.attach();
            }
            finish_cycle(&mut mutator);
            for _ in 0..3 {
                assert_eq!(drops.count(), 0, "{barrier}, detach: {detach}");
                mutator.collect();
            }
            drop(root);
            mutator.collect();
            assert_eq!(drops.count(), 6, "{barrier}, detach: {detach}");
        }
    }
}

/// A scanned cell with a list that ends in the only other reference to an object.
#[derive(Trace)]
struct Outer<'gc> {
    cells: GcRefCell<Vec<GcRefCell<Option<Leaf<'gc>>>>>,
    list: Gc<'gc, common::Link<'gc, GcSlot<Option<Leaf<'gc>>>>>,
}

/// The inner cell is busy for good when the end of the outer guard shades what is in it.
#[test]
fn a_guard_of_an_inner_cell_leaked_in_a_scanned_outer_one() {
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Rootable![Outer<'_>]> = mutator.enter(|mc| {
            let list = long_list(mc, GcSlot::new(Some(Gc::new(mc, drops.token()))));
            let cells = GcRefCell::new(Vec::new());
            Root::new(mc, Gc::new(mc, Outer { cells, list }))
        });
        begin_cycle(&mut mutator);
        mutator.enter(|mc| {
            let outer = Gc::as_ref(root.get(mc));
            let slot = tail_of(outer.list);
            let mut cells = outer.cells.borrow_mut(mc);
            cells.push(GcRefCell::new(None));
            let mut inner = cells[0].borrow_mut(mc);
            *inner = slot.get();
            forget(inner);
            drop(cells);
            slot.set(mc, None);
        });
        finish_cycle(&mut mutator);
        for _ in 0..3 {
            assert_eq!(drops.count(), 0, "{barrier}");
            mutator.collect();
        }
        drop(root);
        mutator.collect();
        assert_eq!(drops.count(), 1, "{barrier}");
    }
}

/// A cell, and who knows what is in it.
#[derive(Trace)]
struct Observed<'gc> {
    cell: GcRefCell<Option<Leaf<'gc>>>,
    weak: GcRefCell<Option<GcWeak<'gc, Token>>>,
}

/// Its mutator has handed over its buffer, and nothing but the final stop is left of the marking.
#[test]
fn a_guard_leaked_between_the_last_round_and_the_final_stop() {
    let heap = quiet_heap(Barrier::Insertion);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let root: Root<Rootable![common::Link<'_, Observed<'_>>]> = mutator.enter(|mc| {
        let (cell, weak) = (GcRefCell::new(None), GcRefCell::new(None));
        Root::new(mc, long_list(mc, Observed { cell, weak }))
    });
    begin_cycle(&mut mutator);
    let drive = || {
        let mut other = heap.attach();
        while other.step(1 << 30) == StepStatus::InProgress {}
    };
    mutator.enter(|mc| {
        for _ in 0..10 {
            std::thread::scope(|scope| scope.spawn(drive).join().unwrap());
            // Large: each of them polls, which answers a round.
            Gc::new(mc, [0_u64; 8000]);
        }
        let observed = tail_of(root.get(mc));
        let leaf = Gc::new(mc, drops.token());
        *observed.weak.borrow_mut(mc) = Some(Gc::downgrade(leaf, mc));
        let mut guard = observed.cell.borrow_mut(mc);
        *guard = Some(leaf);
        forget(guard);
    });
    finish_cycle(&mut mutator);
    mutator.enter(|mc| {
        let weak = tail_of(root.get(mc)).weak.borrow().unwrap();
        assert!(weak.upgrade(mc).is_some(), "the cell has it");
    });
    assert_eq!(drops.count(), 0);
}

/// A slice so long that it is scanned in pieces. Its cell is set aside, and looked at again to the end.
#[test]
fn a_guard_leaked_in_a_long_slice() {
    type Cells<'gc> = Gc<'gc, [GcRefCell<Vec<Leaf<'gc>>>]>;
    const LEN: usize = 2000;
    for barrier in CONCURRENT {
        for index in [0, LEN / 2, LEN - 1] {
            let heap = quiet_heap(barrier);
            let mut mutator = heap.attach();
            let drops = Drops::new();
            let root: Root<Rootable!['gc => common::Link<'gc, Cells<'gc>>]> = mutator.enter(|mc| {
                let cells = Gc::slice_from_fn(mc, LEN, |_| GcRefCell::new(Vec::new()));
                Root::new(mc, long_list(mc, cells))
            });
            begin_cycle(&mut mutator);
            mutator.enter(|mc| {
                let mut guard = tail_of(root.get(mc))[index].borrow_mut(mc);
                guard.push(Gc::new(mc, drops.token()));
                forget(guard);
            });
            finish_cycle(&mut mutator);
            assert_eq!(drops.count(), 0, "{barrier}, cell {index}");
            drop(root);
            mutator.collect();
            mutator.collect();
            assert_eq!(drops.count(), 1, "{barrier}, cell {index}");
        }
    }
}

/// A place in a slice, and how often markers have been there.
struct Place<'gc> {
    cell: GcRefCell<Vec<Leaf<'gc>>>,
    looks: &'static AtomicUsize,
    _room: [u64; 16],
}

// SAFETY: the cell is all that points into the heap.
unsafe impl<'gc> Trace<'gc> for Place<'gc> {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.cell.trace(tracer);
    }
}

/// Only the pieces that have a busy cell, so that the final stop does not last as long as the slice is.
#[test]
#[cfg_attr(feature = "verify", ignore = "the verifier's looks would count, too")]
fn a_long_slice_with_a_leaked_guard_is_not_scanned_again_as_a_whole() {
    const LEN: usize = 10_000;
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    let heap = quiet_heap(Barrier::Insertion);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let root: Root<Rootable![[Place<'_>]]> = mutator.enter(|mc| {
        let place = |_| Place {
            cell: GcRefCell::new(Vec::new()),
            looks: &LOOKS,
            _room: [0; 16],
        };
        Root::new(mc, Gc::slice_from_fn(mc, LEN, place))
    });
    mutator.collect();
    assert_eq!(LOOKS.swap(0, Ordering::Relaxed), LEN);
    begin_cycle(&mut mutator);
    mutator.enter(|mc| {
        let places = root.get(mc);
        for index in [1, LEN / 2, LEN - 1] {
            let mut guard = places[index].cell.borrow_mut(mc);
            guard.push(Gc::new(mc, drops.token()));
            forget(guard);
        }
    });
    finish_cycle(&mut mutator);
    assert_eq!(drops.count(), 0);
    let looks = LOOKS.load(Ordering::Relaxed);
    // That of the cycle before, this one's, and the three pieces twice.
    assert!(
        (2 * LEN..2 * LEN + LEN / 5).contains(&looks),
        "{looks} looks"
    );
}

/// A poll is no boundary: a guard that lives there is held.
#[test]
fn a_guard_that_is_held_at_a_poll_has_not_leaked() {
    let heap = quiet_heap(Barrier::Insertion);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let root: Root<Rootable![common::Link<'_, Guarded<'_>>]> = mutator.enter(|mc| {
        let guarded = Guarded::filled(|| Gc::new(mc, drops.token()));
        Root::new(mc, long_list(mc, guarded))
    });
    begin_cycle(&mut mutator);
    let drive = || {
        let mut other = heap.attach();
        while other.step(1 << 30) == StepStatus::InProgress {}
    };
    mutator.enter(|mc| {
        std::thread::scope(|scope| scope.spawn(drive).join().unwrap());
        let guarded = tail_of(root.get(mc));
        let mut guard = guarded.ref_cell.borrow_mut(mc);
        guard.push(Gc::new(mc, drops.token()));
        // Large: it polls, which answers the round.
        Gc::new(mc, [0_u64; 8000]);
        // Those that have ended have not leaked either.
        guarded.mutex.lock(mc).clear();
        guarded.rw_lock.write(mc).clear();
    });
    assert!(!finish_cycle(&mut mutator).abandoned);
    drop(root);
    assert!(!mutator.collect().abandoned);
    assert_eq!(drops.count(), 6);
}
