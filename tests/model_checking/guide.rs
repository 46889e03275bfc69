//! What the guide (`docs/model-checking.md`) shows and says, and everything else that works in a user's model.

use tricolor_gc::model::{self, Builder, Collector, Tracked};
use tricolor_gc::{
    Barrier, Gc, GcCell, GcMutex, GcRefCell, GcWeak, Heap, Root, Rootable, StepStatus, Trace,
};

use crate::show;

const BARRIERS: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

#[derive(Trace)]
struct Item {
    tracked: Tracked,
}

fn item(name: &'static str) -> Item {
    Item {
        tracked: Tracked::new(name),
    }
}

#[derive(Trace)]
struct Shelf<'gc> {
    items: GcMutex<Vec<Gc<'gc, Item>>>,
    last: GcMutex<Option<GcWeak<'gc, Item>>>,
}

type ShelfRoot = Root<Rootable![Shelf<'_>]>;

/// A mutator takes the only item off the shelf and upgrades the weak reference to it, while a cycle runs.
fn shelf(barrier: Barrier) {
    let heap = model::heap(barrier);
    let mut main = heap.attach();
    let root: ShelfRoot = main.enter(|mc| {
        let only = Gc::new(mc, item("only"));
        let shelf = Shelf {
            items: GcMutex::new(vec![only]),
            last: GcMutex::new(Some(Gc::downgrade(only, mc))),
        };
        Root::new(mc, Gc::new(mc, shelf))
    });
    let taker = root.clone();
    let taker = model::mutator("taker", &heap, move |m| {
        m.enter(|mc| {
            let taken = taker.get(mc).items.lock(mc).pop().expect("it is there");
            model::linger(mc);
            taken.tracked.read();
        });
        m.enter(|mc| {
            if let Some(weak) = *taker.get(mc).last.lock(mc)
                && let Some(only) = weak.upgrade(mc)
            {
                only.tracked.read();
            }
        });
    });
    model::cycle(&heap);
    taker.join().unwrap();
    model::cycle(&heap);
    main.enter(|mc| {
        let shelf = root.get(mc);
        assert!(shelf.items.lock(mc).is_empty());
        assert!(shelf.last.lock(mc).unwrap().upgrade(mc).is_none());
    });
}

#[test]
fn cells_under_locks_and_weak_references() {
    for barrier in BARRIERS {
        let report = Builder::new()
            .preemptions(1)
            .check(&format!("shelf, {barrier}"), move || shelf(barrier));
        assert!(show(report).assert_ok().executions() > 10);
    }
}

/// Cells that stay on one thread, and a root that is made and dropped while a cycle runs.
#[test]
fn cells_of_one_thread() {
    let report = Builder::new()
        .preemptions(1)
        .check("cells of one thread", || {
            let heap = model::heap(Barrier::Hybrid);
            let owner = model::mutator("owner", &heap, |m| {
                let root: Root<Rootable![GcRefCell<Vec<Gc<'_, Item>>>]> =
                    m.enter(|mc| Root::new(mc, Gc::new(mc, GcRefCell::new(vec![]))));
                let witness = m.enter(|mc| {
                    let cell = Gc::new(mc, GcCell::new(Some(Gc::new(mc, item("kept")))));
                    let kept = cell.replace(mc, None).expect("it was put there");
                    root.get(mc).borrow_mut(mc).push(kept);
                    kept.tracked.witness()
                });
                m.enter(|mc| root.get(mc).borrow()[0].tracked.read());
                witness.assert_alive();
                drop(root);
                witness
            });
            model::cycle(&heap);
            let witness = owner.join().unwrap();
            // Two: if the root was dropped while the first cycle ran, its object lives through it.
            model::cycle(&heap);
            witness.assert_freed();
        });
    show(report).assert_ok();
}

/// A collector in steps of one object, between which the program looks at what it did.
#[test]
fn a_cycle_in_steps() {
    let report = Builder::new().check("steps", || {
        let heap = model::heap(Barrier::Hybrid);
        let mut main = heap.attach();
        let garbage = main.enter(|mc| Gc::new(mc, item("garbage")).tracked.witness());
        let mut collector = Collector::start(&heap);
        garbage.assert_alive();
        let mut steps = 0;
        while collector.step(1) != StepStatus::Completed {
            steps += 1;
        }
        assert!(steps > 5, "{steps} steps");
        garbage.assert_freed();
        // A whole one, as outside a model.
        let witness = main.enter(|mc| Gc::new(mc, item("more garbage")).tracked.witness());
        assert_eq!(main.collect().objects_freed, 1);
        witness.assert_freed();
    });
    show(report).assert_ok();
}

/// loom's own main thread has a small stack: enough for optimised code.
fn in_a_thread(program: fn()) {
    model::spawn("main", program).join().unwrap();
}

/// Any heap will do, and loom's own builder: the heap prepares the execution.
#[test]
fn without_the_crates_own_builder() {
    let mut loom = loom::model::Builder::new();
    loom.preemption_bound = Some(1);
    loom.max_branches = 10_000;
    loom.check(|| {
        in_a_thread(|| {
            let heap = Heap::new();
            let cycles = heap.clone();
            let collector = model::spawn("collector", move || model::cycle(&cycles).objects_freed);
            let mut mutator = heap.attach();
            mutator.enter(|mc| {
                let kept = Gc::new(mc, GcCell::new(Some(Gc::new(mc, item("kept")))));
                kept.get().expect("it was put there").tracked.read();
            });
            drop(mutator);
            let freed = collector.join().unwrap();
            assert!(freed == 0 || freed == 2, "{freed}");
        });
    });
}

/// There a violation is a panic.
#[test]
#[should_panic(expected = "`early` was garbage when the cycle began")]
fn a_violation_without_the_crates_own_builder() {
    loom::model(|| {
        in_a_thread(|| {
            let heap = Heap::new();
            let early = heap
                .attach()
                .enter(|mc| Gc::new(mc, item("early")).tracked.witness());
            early.assert_freed();
        });
    });
}

/// What a program asserts is a violation, on whichever thread.
#[test]
fn assertions_of_the_program() {
    let report = Builder::new().check("assertion", || {
        let heap = model::heap(Barrier::Hybrid);
        let thread = model::mutator("mutator", &heap, |m| m.enter(|_| panic!("on purpose")));
        model::cycle(&heap);
        thread.join().unwrap();
    });
    show(report).assert_caught("on purpose");
    let report = Builder::new().max_branches(500).check("livelock", || {
        let heap = model::heap(Barrier::Hybrid);
        let waits = model::spawn("waits", || {
            loop {
                model::yield_now();
            }
        });
        model::cycle(&heap);
        waits.join().unwrap()
    });
    show(report).assert_caught("Model exceeded maximum number of branches");
}
