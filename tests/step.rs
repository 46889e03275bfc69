//! Without marker threads: cycles in bounded steps, the same on every run.

mod common;

use std::time::Duration;

use common::{BARRIERS, Drops, Link, Random, begin_cycle, heap, long_list, quiet_heap, tail_of};
use tricolor_gc::{
    Barrier, CycleStats, Gc, GcRefCell, GcSlot, Heap, Mutator, Root, Rootable, StepStatus,
    StressConfig, Trace,
};

#[derive(Trace)]
struct Node<'gc> {
    others: GcRefCell<Vec<Gc<'gc, Node<'gc>>>>,
    text: String,
}

/// The figures of a cycle that do not depend on the clock.
fn timeless(cycle: CycleStats) -> CycleStats {
    let mut cycle = cycle;
    let zero = Duration::ZERO;
    (cycle.start, cycle.arming, cycle.marking) = (zero, zero, zero);
    (cycle.terminating, cycle.sweeping, cycle.stopped) = (zero, zero, zero);
    (cycle.longest_stop, cycle.longest_handshake) = (zero, zero);
    cycle
}

/// A program with a fixed seed; every step's outcome and every cycle's figures.
fn run(heap: &Heap, seed: u64) -> (Vec<StepStatus>, Vec<CycleStats>) {
    let mut mutator = heap.attach();
    let mut random = Random::new(seed);
    let (mut steps, mut cycles) = (Vec::new(), Vec::new());
    let root: Root<Rootable![Node<'_>]> = mutator.enter(|mc| {
        let others = GcRefCell::new(Vec::new());
        Root::new(
            mc,
            Gc::new(
                mc,
                Node {
                    others,
                    text: "top".into(),
                },
            ),
        )
    });
    for turn in 0..300 {
        mutator.enter(|mc| {
            let top = root.get(mc);
            for _ in 0..200 {
                let text = "x".repeat(random.below(100));
                let node = Gc::new(
                    mc,
                    Node {
                        others: GcRefCell::new(Vec::new()),
                        text,
                    },
                );
                let known = top.others.borrow();
                if !known.is_empty() {
                    let other = known[random.below(known.len())];
                    node.others.borrow_mut(mc).push(other);
                }
                drop(known);
                top.others.borrow_mut(mc).push(node);
            }
            if top.others.borrow().len() > 3000 {
                top.others.borrow_mut(mc).drain(..2500).for_each(|node| {
                    node.others.borrow_mut(mc).clear();
                });
            }
        });
        steps.push(mutator.step(random.below(100_000)));
        if turn % 100 == 99 {
            mutator.collect();
        }
        cycles.extend(heap.last_cycle().map(timeless));
    }
    (steps, cycles)
}

#[test]
fn two_runs_give_the_same_figures() {
    for barrier in BARRIERS {
        let new = || {
            let heap = Heap::builder()
                .barrier(barrier)
                .marker_threads(0)
                .min_heap(256 << 10);
            heap.build().unwrap()
        };
        let (first, second) = (run(&new(), 5), run(&new(), 5));
        assert!(
            first.1.last().unwrap().cycle > 5,
            "{barrier}: too few cycles to compare"
        );
        assert_eq!(first.0, second.0, "{barrier}");
        assert_eq!(first.1, second.1, "{barrier}");
        let other = run(&new(), 6);
        assert_ne!(first.1, other.1, "the comparison sees nothing");
    }
}

#[test]
fn two_stressed_runs_give_the_same_figures() {
    for barrier in BARRIERS {
        let new = |seed| {
            let heap = Heap::builder().barrier(barrier).marker_threads(0);
            heap.stress(StressConfig::new(seed).cycle_every(200))
                .build()
                .unwrap()
        };
        let (first, second) = (run(&new(3), 5), run(&new(3), 5));
        assert!(
            first.1.last().unwrap().cycle > 20,
            "{barrier}: too few cycles to compare"
        );
        assert_eq!(first, second, "{barrier}");
        assert_ne!(
            first.1,
            run(&new(4), 5).1,
            "the stress seed makes no difference"
        );
    }
}

#[test]
fn an_idle_heap_has_nothing_to_step() {
    for barrier in BARRIERS {
        let heap = heap(barrier, 0);
        let mut mutator = heap.attach();
        assert_eq!(mutator.step(usize::MAX), StepStatus::Idle);
        mutator.collect();
        assert_eq!(mutator.step(usize::MAX), StepStatus::Idle);
        assert_eq!(heap.stats().cycles, 1);
    }
}

/// Small budgets make many steps, large budgets few; all end.
#[test]
fn a_step_keeps_to_its_budget() {
    fn steps(barrier: Barrier, budget: usize) -> usize {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let _root: Root<Rootable![common::Link<'_, u8>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, 0)));
        begin_cycle(&mut mutator);
        let mut steps = 1;
        while mutator.step(budget) != StepStatus::Completed {
            steps += 1;
        }
        steps
    }
    for barrier in common::CONCURRENT {
        let (small, large) = (steps(barrier, 4 << 10), steps(barrier, 400 << 10));
        assert!(
            small > 100 && large < small / 20 && large > 1,
            "{barrier}: {small}, {large}"
        );
    }
}

#[test]
fn collect_ends_a_cycle_on_its_way_and_does_another() {
    for barrier in BARRIERS {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Rootable![common::Link<'_, common::Token>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, drops.token())));
        begin_cycle(&mut mutator);
        drop(root);
        let cycle = mutator.collect();
        assert_eq!(
            (cycle.cycle, drops.count()),
            (3, 1),
            "one that began after the call"
        );
    }
}

#[test]
fn cycles_come_by_themselves_at_the_boundaries() {
    for barrier in BARRIERS {
        let heap = Heap::builder()
            .barrier(barrier)
            .marker_threads(0)
            .min_heap(256 << 10);
        let heap = heap.build().unwrap();
        let mut mutator: Mutator = heap.attach();
        for _ in 0..500 {
            mutator.enter(|mc| {
                for _ in 0..100 {
                    Gc::new(mc, [0_u64; 4]);
                }
            });
        }
        let stats = heap.stats();
        assert!(stats.cycles > 3, "{barrier}: {stats:?}");
        assert!(stats.bytes_in_use < 4 << 20, "{barrier}: {stats:?}");
    }
}

/// However long a slice, a step scans a piece of it.
#[test]
fn a_long_slice_takes_many_steps() {
    const LEN: usize = 300_000;
    for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let root: Root<Rootable!['gc => [Option<Gc<'gc, u64>>]]> = mutator.enter(|mc| {
            let number = Gc::new(mc, 7);
            Root::new(mc, Gc::slice_from_fn(mc, LEN, |_| Some(number)))
        });
        begin_cycle(&mut mutator);
        let mut steps = 0;
        while mutator.step(64 << 10) == StepStatus::InProgress {
            steps += 1;
        }
        // A step marks its budget and a piece at most.
        assert!(steps >= LEN * 8 / (96 << 10), "{barrier}: {steps} steps");
        mutator.enter(|mc| {
            assert!(
                root.get(mc)
                    .iter()
                    .all(|number| **number.as_ref().unwrap() == 7)
            )
        });
    }
}

/// A store that shades takes room in the worklist, which nobody empties but the mutators.
#[test]
fn stores_alone_call_for_a_step_too() {
    for barrier in [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid] {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        type Number<'gc> = Gc<'gc, [u64; 4]>;
        let (list, slot) = mutator.enter(|mc| {
            let far = Gc::new(mc, [2; 4]);
            let list: Root<Rootable![Link<'_, Number<'_>>]> = Root::new(mc, long_list(mc, far));
            let slot: Root<Rootable![GcSlot<Number<'_>>]> =
                Root::new(mc, Gc::new(mc, GcSlot::new(Gc::new(mc, [1; 4]))));
            (list, slot)
        });
        begin_cycle(&mut mutator);
        // What is stored has not been marked, and the program allocates nothing.
        let called = mutator.enter(|mc| {
            let (slot, far) = (slot.get(mc), *tail_of(list.get(mc)));
            (0..10_000).any(|_| {
                slot.set(mc, far);
                mc.should_yield()
            })
        });
        assert!(called, "{barrier}");
    }
}
