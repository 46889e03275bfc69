//! What each barrier costs and promises: the rows of the table at `Barrier`, from the figures of one cycle of a fixed
//! program that is caught in the middle of its marking.

mod common;

use common::{
    BARRIERS, CONCURRENT, Drops, Link, Token, begin_cycle, finish_cycle, heap, long_list,
    quiet_heap, tail_of,
};
use tricolor_gc::{
    Barrier, CycleStats, Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcSlot, GcWeak,
    Heap, Mutation, Root, Rootable, StepStatus, Trace,
};

type Leaf<'gc> = Gc<'gc, Token>;
type Slot<'gc> = GcSlot<Option<Leaf<'gc>>>;

/// A place of every kind.
#[derive(Trace)]
struct Places<'gc> {
    slot: GcSlot<Option<Leaf<'gc>>>,
    cell: GcCell<Option<Leaf<'gc>>>,
    ref_cell: GcRefCell<Option<Leaf<'gc>>>,
    mutex: GcMutex<Option<Leaf<'gc>>>,
    rw_lock: GcRwLock<Option<Leaf<'gc>>>,
    once: GcOnceCell<Leaf<'gc>>,
}

/// Places that can be overwritten, and all places.
const REWRITABLE: usize = 5;
const ALL: usize = 6;

impl<'gc> Places<'gc> {
    /// With something in each place that can be overwritten.
    fn filled(leaf: impl Fn() -> Leaf<'gc>) -> Self {
        Places {
            slot: GcSlot::new(Some(leaf())),
            cell: GcCell::new(Some(leaf())),
            ref_cell: GcRefCell::new(Some(leaf())),
            mutex: GcMutex::new(Some(leaf())),
            rw_lock: GcRwLock::new(Some(leaf())),
            once: GcOnceCell::new(),
        }
    }

    fn overwrite(&self, mc: &Mutation<'gc>, leaf: impl Fn() -> Option<Leaf<'gc>>) {
        self.slot.set(mc, leaf());
        self.cell.set(mc, leaf());
        *self.ref_cell.borrow_mut(mc) = leaf();
        *self.mutex.lock(mc) = leaf();
        *self.rw_lock.write(mc) = leaf();
    }
}

/// The places at the end of a list, reached last, and in an object with a root of its own.
#[derive(Trace)]
struct Top<'gc> {
    list: Gc<'gc, common::Link<'gc, Places<'gc>>>,
    early: Gc<'gc, Places<'gc>>,
}

type TopRoot = Root<Rootable![Top<'_>]>;

struct Program {
    heap: Heap,
    mutator: tricolor_gc::Mutator,
    root: TopRoot,
    drops: Drops,
}

impl Program {
    fn new(barrier: Barrier) -> Self {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root = mutator.enter(|mc| {
            let leaf = || Gc::new(mc, drops.token());
            // The list is a field before `early` in the order of marking or after: `early` is one object, marked at once.
            let early = Gc::new(mc, Places::filled(leaf));
            let list = long_list(mc, Places::filled(leaf));
            Root::new(mc, Gc::new(mc, Top { list, early }))
        });
        Program {
            heap,
            mutator,
            root,
            drops,
        }
    }

    /// Runs `f` with the places that no marker has come to.
    fn at_tail<R>(
        &mut self,
        f: impl for<'gc> FnOnce(&'gc Mutation<'gc>, &'gc Places<'gc>, &Drops) -> R,
    ) -> R {
        let (root, drops) = (&self.root, &self.drops);
        self.mutator
            .enter(|mc| f(mc, tail_of(root.get(mc).list), drops))
    }

    fn finish(&mut self) -> CycleStats {
        let cycle = finish_cycle(&mut self.mutator);
        assert_eq!(cycle.cycle, 2, "the cycle under test");
        cycle
    }
}

#[test]
fn stops_per_cycle() {
    for (barrier, stops) in BARRIERS.into_iter().zip([1, 1, 0, 1]) {
        for markers in [0, 1, 2] {
            let heap = heap(barrier, markers);
            let mut mutator = heap.attach();
            mutator.enter(|mc| {
                let list = long_list(mc, 1_u8);
                let _root: Root<Rootable![common::Link<'_, u8>]> = Root::new(mc, list);
            });
            for _ in 0..3 {
                let cycle = mutator.collect();
                assert_eq!((cycle.barrier, cycle.stops), (barrier, stops), "{cycle}");
                assert_eq!(cycle.stops == 0, cycle.stopped.is_zero(), "{cycle}");
            }
            assert_eq!(heap.stats().stops, 3 * u64::from(stops), "{barrier}");
        }
    }
}

#[test]
fn a_cycle_without_stores_shades_nothing() {
    for barrier in BARRIERS {
        let mut program = Program::new(barrier);
        begin_cycle(&mut program.mutator);
        let cycle = program.finish();
        assert_eq!(
            (cycle.objects_shaded, cycle.objects_freed),
            (0, 0),
            "{cycle}"
        );
        assert_eq!(program.drops.count(), 0);
    }
}

#[test]
fn a_store_shades_the_overwritten_target_unless_under_insertion() {
    for barrier in CONCURRENT {
        let mut program = Program::new(barrier);
        begin_cycle(&mut program.mutator);
        program.at_tail(|mc, places, _| places.overwrite(mc, || None));
        let cycle = program.finish();
        let kept = if barrier == Barrier::Insertion {
            0
        } else {
            REWRITABLE
        };
        assert_eq!(cycle.objects_shaded, kept as u64, "{cycle}");
        assert_eq!(cycle.objects_freed, (REWRITABLE - kept) as u64, "{cycle}");
        assert_eq!(program.drops.count(), REWRITABLE - kept, "{cycle}");
        // What floated is gone after the next cycle.
        program.mutator.collect();
        assert_eq!(program.drops.count(), REWRITABLE, "{barrier}");
    }
}

#[test]
fn a_store_of_a_known_object_shades_nothing_again() {
    for barrier in CONCURRENT {
        let mut program = Program::new(barrier);
        begin_cycle(&mut program.mutator);
        let root = &program.root;
        program.mutator.enter(|mc| {
            let early = root.get(mc).early;
            let (a, b) = (early.slot.get(), early.cell.get());
            for _ in 0..1000 {
                early.slot.set(mc, b);
                early.slot.set(mc, a);
            }
        });
        let cycle = program.finish();
        // Marked already, or shaded until it is: the same few objects at most once per store before a marker came.
        assert!(cycle.objects_shaded <= 2000, "{cycle}");
        assert_eq!(cycle.objects_freed, 0, "{cycle}");
    }
}

#[test]
fn a_store_of_a_new_object_into_a_marked_one_keeps_it() {
    for barrier in CONCURRENT {
        let mut program = Program::new(barrier);
        begin_cycle(&mut program.mutator);
        let root = &program.root;
        let drops = Drops::new();
        program.mutator.enter(|mc| {
            let early = root.get(mc).early;
            early.overwrite(mc, || Some(Gc::new(mc, drops.token())));
            assert!(early.once.set(mc, Gc::new(mc, drops.token())).is_ok());
        });
        let cycle = program.finish();
        if barrier == Barrier::Insertion {
            assert_eq!(cycle.objects_shaded, ALL as u64, "the new targets: {cycle}");
        }
        assert_eq!(drops.count(), 0, "{cycle}");
        program.mutator.collect();
        assert_eq!(drops.count(), 0, "{barrier}");
    }
}

#[test]
fn what_moves_from_the_unmarked_to_the_marked_lives() {
    for barrier in CONCURRENT {
        let mut program = Program::new(barrier);
        begin_cycle(&mut program.mutator);
        let root = &program.root;
        program.mutator.enter(|mc| {
            let (early, tail) = (root.get(mc).early, tail_of(root.get(mc).list));
            early.slot.set(mc, tail.slot.swap(mc, None));
            early.cell.set(mc, tail.cell.replace(mc, None));
            early.ref_cell.replace(mc, tail.ref_cell.take(mc));
            *early.mutex.lock(mc) = tail.mutex.lock(mc).take();
            *early.rw_lock.write(mc) = tail.rw_lock.write(mc).take();
        });
        program.finish();
        // The five that were in `early` are gone at the end of the next cycle, the five that moved are not.
        program.mutator.collect();
        assert_eq!(program.drops.count(), REWRITABLE, "{barrier}");
        assert_eq!(program.heap.stats().cycles, 3);
    }
}

#[test]
fn what_is_read_and_hidden_on_the_stack_lives_until_the_enter_ends() {
    for barrier in CONCURRENT {
        let mut program = Program::new(barrier);
        begin_cycle(&mut program.mutator);
        let root = &program.root;
        let drops = program.drops.clone();
        // Hold the objects on the stack only, while another thread drives the cycle as far as it goes.
        let (inside, go_on) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            let heap = program.heap.clone();
            let (inside, go_on) = (&inside, &go_on);
            scope.spawn(move || {
                let mut helper = heap.attach();
                inside.wait();
                for _ in 0..200 {
                    let _ = helper.step(1 << 20);
                }
                go_on.wait();
            });
            program.mutator.enter(|mc| {
                let tail = tail_of(root.get(mc).list);
                let held = (tail.slot.swap(mc, None), tail.cell.replace(mc, None));
                inside.wait();
                go_on.wait();
                assert_eq!(drops.count(), 0, "{barrier}");
                assert!(held.0.is_some() && held.1.is_some());
            });
        });
        program.mutator.collect();
        program.mutator.collect();
        assert_eq!(program.drops.count(), 2, "{barrier}");
    }
}

/// Hybrid shades what is stored, too, until all mutators are Black: one that is Grey may have on its stack what one without a
/// barrier has deleted, and put it into a slot in a cell that a Black one has claimed, which no marker scans.
#[test]
fn what_is_stored_while_arming_into_a_cell_that_counts_as_scanned_lives() {
    let (heap, drops) = (quiet_heap(Barrier::Hybrid), Drops::new());
    let mut black = heap.attach();
    let (from, to): (
        Root<Rootable![Slot<'_>]>,
        Root<Rootable!['gc => GcRwLock<Slot<'gc>>]>,
    ) = black.enter(|mc| {
        let from = Gc::new(mc, GcSlot::new(Some(Gc::new(mc, drops.token()))));
        let to = Gc::new(mc, GcRwLock::new(GcSlot::new(None)));
        (Root::new(mc, from), Root::new(mc, to))
    });
    let [is_inside, deletes, loaded, stores] = [(); 4].map(|()| std::sync::Barrier::new(2));
    let steps = std::thread::scope(|scope| {
        let unarmed = scope.spawn(|| {
            heap.attach().enter(|mc| {
                is_inside.wait();
                deletes.wait();
                from.get(mc).set(mc, None);
            });
        });
        is_inside.wait();
        black.enter(|mc| {
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        let arms = black.step(1);
        let grey = scope.spawn(|| {
            heap.attach().enter(|mc| {
                let moved = from.get(mc).get();
                loaded.wait();
                stores.wait();
                to.get(mc).read().set(mc, moved);
            });
        });
        loaded.wait();
        deletes.wait();
        unarmed.join().unwrap();
        let all_are_grey = black.step(1);
        black.enter(|mc| drop(to.get(mc).write(mc)));
        stores.wait();
        grey.join().unwrap();
        [arms, all_are_grey]
    });
    assert_eq!(steps, [StepStatus::Waiting; 2]);
    assert_eq!(finish_cycle(&mut black).stops, 0);
    assert_eq!(drops.count(), 0);
    black.enter(|mc| assert!(to.get(mc).read().get().is_some()));
}

#[test]
fn new_objects_are_white_under_insertion_and_black_otherwise() {
    for barrier in CONCURRENT {
        let mut program = Program::new(barrier);
        begin_cycle(&mut program.mutator);
        let new = Drops::new();
        program.mutator.enter(|mc| {
            for _ in 0..10 {
                Gc::new(mc, new.token());
            }
            Gc::slice_from_fn(mc, 3, |_| new.token());
        });
        let cycle = program.finish();
        let freed = if barrier == Barrier::Insertion { 13 } else { 0 };
        assert_eq!(new.count(), freed, "{cycle}");
        let next = program.mutator.collect();
        assert_eq!(new.count(), 13, "{barrier}");
        assert_eq!(
            next.objects_freed,
            if freed == 0 { 11 } else { 0 },
            "{next}"
        );
    }
}

#[test]
fn stop_the_world_keeps_no_floating_garbage() {
    let mut program = Program::new(Barrier::StopTheWorld);
    program.at_tail(|mc, places, _| places.overwrite(mc, || None));
    let cycle = program.mutator.collect();
    assert_eq!(
        (cycle.objects_shaded, cycle.objects_freed),
        (0, REWRITABLE as u64),
        "{cycle}"
    );
    assert_eq!(program.drops.count(), REWRITABLE);
}

#[test]
fn a_root_made_while_marking_keeps_its_object() {
    for barrier in CONCURRENT {
        let mut program = Program::new(barrier);
        begin_cycle(&mut program.mutator);
        let kept: Root<Rootable![Token]> = program.at_tail(|mc, places, _| {
            let leaf = places.slot.get().unwrap();
            let root = Root::new(mc, leaf);
            places.slot.set(mc, None);
            root
        });
        program.finish();
        program.mutator.collect();
        assert_eq!(program.drops.count(), 0, "{barrier}");
        drop(kept);
        program.mutator.collect();
        assert_eq!(program.drops.count(), 1, "{barrier}");
    }
}

/// Nothing but the object itself, which is reachable weakly only, refers to the leaf.
#[test]
fn an_upgrade_while_marking_keeps_what_the_object_refers_to() {
    type Object = Rootable!['gc => GcCell<Leaf<'gc>>];
    type Weak = Rootable!['gc => GcWeak<'gc, GcCell<Leaf<'gc>>>];
    for barrier in CONCURRENT {
        let mut mutator = quiet_heap(barrier).attach();
        let drops = Drops::new();
        let _list: Root<Rootable![Link<'_, ()>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, ())));
        let (strong, weak): (Root<Object>, Root<Weak>) = mutator.enter(|mc| {
            let object = Gc::new(mc, GcCell::new(Gc::new(mc, drops.token())));
            let weak = Gc::new(mc, Gc::downgrade(object, mc));
            (Root::new(mc, object), Root::new(mc, weak))
        });
        mutator.collect();
        drop(strong);
        mutator.enter(|mc| {
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        assert_eq!(mutator.step(1), StepStatus::InProgress);
        mutator.enter(|mc| assert!(weak.get(mc).upgrade(mc).is_some()));
        finish_cycle(&mut mutator);
        assert_eq!(drops.count(), 0, "{barrier}");
        mutator.collect();
        assert_eq!(drops.count(), 1, "{barrier}");
    }
}
