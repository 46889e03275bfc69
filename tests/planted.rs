//! Programs in which every shade counts, under the stress mode: the collector as it ships keeps every object of them.
//!
//! Built with planted bugs and the verifier (`ci/planted.sh`), each bug is caught within seconds: a process of its own, whose
//! environment names the bug, runs the same programs and must end with a report.

mod common;

use common::{BARRIERS, Random};
use tricolor_gc::{
    Barrier, Gc, GcRefCell, GcSlot, Heap, Mutation, Mutator, Root, Rootable, StressConfig, Trace,
};

const STAMP: u64 = 0x5afe_5afe_5afe_0000;
const BOXES: usize = 2000;
/// So many that what a root alone keeps stays there for the rest of the marking, most of the time.
const HANDS: usize = 1024;

/// What is moved around. Nothing but its one place keeps it.
type Leaf<'gc> = Gc<'gc, u64>;
type LeafRoot = Root<Rootable![u64]>;

/// Two places.
#[derive(Trace)]
struct Places<'gc> {
    slot: GcSlot<Option<Leaf<'gc>>>,
    cell: GcRefCell<Option<Leaf<'gc>>>,
}

impl<'gc> Places<'gc> {
    fn take(&self, mc: &Mutation<'gc>, from_cell: bool) -> Option<Leaf<'gc>> {
        if from_cell {
            self.cell.borrow_mut(mc).take()
        } else {
            self.slot.swap(mc, None)
        }
    }

    fn put(&self, mc: &Mutation<'gc>, leaf: Leaf<'gc>) {
        check(leaf);
        if self.slot.get().is_none() {
            self.slot.set(mc, Some(leaf));
        } else {
            *self.cell.borrow_mut(mc) = Some(leaf);
        }
    }
}

fn check(leaf: Leaf<'_>) {
    assert_eq!(*leaf & !0xffff, STAMP, "an object was freed and reused");
}

type Table = Rootable!['gc => Vec<Gc<'gc, Places<'gc>>>];

/// Moves leaves between places and roots of its own.
struct Mover {
    mutator: Mutator,
    table: Root<Table>,
    hands: [Option<LeafRoot>; HANDS],
    random: Random,
}

impl Mover {
    fn new(heap: &Heap, seed: u64) -> Self {
        let mut mutator = heap.attach();
        let table = mutator.enter(|mc| {
            let places = || {
                Gc::new(
                    mc,
                    Places {
                        slot: GcSlot::new(None),
                        cell: GcRefCell::new(None),
                    },
                )
            };
            Root::new(mc, Gc::new(mc, (0..BOXES).map(|_| places()).collect()))
        });
        Mover {
            mutator,
            table,
            hands: [const { None }; HANDS],
            random: Random::new(seed),
        }
    }

    /// A few moves, each out of one place into another: a marker that has been at the second and not at the first sees the
    /// leaf only if a barrier shows it.
    fn turn(&mut self) {
        let (table, hands, random) = (&self.table, &mut self.hands, &mut self.random);
        self.mutator.enter(|mc| {
            let table = table.get(mc);
            let places = |random: &mut Random| Gc::as_ref(table[random.below(BOXES)]);
            for _ in 0..10 {
                let taken = places(random).take(mc, random.below(2) == 0);
                let new = Gc::new(mc, STAMP + random.next() % 0xffff);
                let leaf = taken.filter(|_| random.below(8) != 0).unwrap_or(new);
                check(leaf);
                if random.below(4) != 0 {
                    places(random).put(mc, leaf);
                    continue;
                }
                let hand = &mut hands[random.below(HANDS)];
                if let Some(other) = hand.replace(Root::new(mc, leaf)) {
                    places(random).put(mc, other.get(mc));
                }
            }
        });
    }

    /// Marks a bit of a cycle, so that the next moves fall into the middle of it.
    fn step(&mut self) {
        let _ = self.mutator.step(1 + self.random.below(20_000));
    }
}

/// Runs some cycles under one barrier: with none or one marker thread, and as many mutators and one more. Without marker threads
/// the mutator takes steps.
fn run(barrier: Barrier, markers: usize, seed: u64, cycles: u64) {
    let heap = Heap::builder()
        .barrier(barrier)
        .marker_threads(markers)
        .stress(StressConfig::new(seed).cycle_every(200))
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        for mutator in 0..=markers as u64 {
            let heap = &heap;
            scope.spawn(move || {
                let mut mover = Mover::new(heap, seed + mutator);
                while heap.stats().cycles < cycles {
                    mover.turn();
                    if markers == 0 {
                        mover.step();
                    } else {
                        // On a busy machine the marker is to keep up.
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
}

#[test]
fn the_collector_as_it_ships_keeps_what_is_moved() {
    for barrier in BARRIERS {
        for markers in 0..2 {
            run(barrier, markers, 1, 20);
        }
    }
}

/// What only a build with planted bugs can show.
#[cfg(all(tricolor_twin = "planted", feature = "verify"))]
mod planted {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Output, Stdio};

    use std::time::{Duration, Instant};

    use super::*;
    use crate::common::CONCURRENT;

    /// Longer than any of the bugs takes, and more runs: beside other programs a run, which yields all the time, takes as long as twenty do alone.
    const TIME: Duration = Duration::from_secs(20);
    const RUNS: u64 = 10;
    /// What a child is to run, for [`child`].
    const BARRIER: &str = "TRICOLOR_TEST_BARRIER";
    /// For [`late_writer`].
    const LATE: &str = "TRICOLOR_TEST_LATE";

    /// Run by the others, in a process of its own; alone it does nothing.
    #[test]
    fn child() {
        let Ok(barrier) = std::env::var(BARRIER) else {
            return;
        };
        let barrier = barrier.parse().unwrap();
        let end = Instant::now() + TIME;
        for seed in 0_u64.. {
            run(barrier, seed as usize % 2, seed, 50);
            if seed >= RUNS && Instant::now() > end {
                return;
            }
        }
    }

    /// Writes to a slot whose object is dead, beside one that lives. Run by another, in a process of its own; alone it does nothing.
    #[test]
    fn late_writer() {
        if std::env::var_os(LATE).is_none() {
            return;
        }
        let mut mutator = Heap::new().attach();
        let (_beside, freed): (Root<Rootable![[u64; 8]]>, usize) = mutator.enter(|mc| {
            let [beside, freed] = [(); 2].map(|()| Gc::new(mc, [STAMP; 8]));
            (Root::new(mc, beside), Gc::as_ptr(freed).expose_provenance())
        });
        mutator.collect();
        let word = std::ptr::with_exposed_provenance_mut::<u64>(freed);
        // SAFETY: none; this is the planted error. The memory is mapped, for an object in the same span lives.
        unsafe { word.write(STAMP) };
        mutator.enter(|mc| (0..10_000).for_each(|_| _ = Gc::new(mc, [STAMP; 8])));
    }

    /// How a test ends in a process of its own with these variables set, and after how long.
    fn run_alone(test: &str, settings: &[(&str, &str)]) -> (Output, Duration) {
        let began = Instant::now();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (child, began.elapsed())
    }

    /// How the programs end under `barrier` with `bug` planted, and after how long.
    fn run_with(bug: &str, barrier: Barrier) -> (Output, Duration) {
        let barrier = barrier.to_string();
        run_alone(
            "planted::child",
            &[("TRICOLOR_TWIN", bug), (BARRIER, &barrier)],
        )
    }

    /// The report of a child that was caught: the verifier's, a panic's (the program has none of its own making but those of
    /// [`check`]), or the signal that ended it.
    fn report(child: &Output) -> Option<String> {
        if child.status.success() {
            return None;
        }
        let text = String::from_utf8_lossy(&child.stderr);
        let verifier = text.lines().find(|line| line.contains("verifier:"));
        let panic = text
            .lines()
            .skip_while(|line| !line.contains("panicked at"))
            .nth(1);
        Some(match (verifier.or(panic), child.status.signal()) {
            (Some(line), _) => line.to_owned(),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => panic!("it was to report something: {text}"),
        })
    }

    fn is_caught(bug: &str, barriers: &[Barrier]) {
        for &barrier in barriers {
            let (child, time) = run_with(bug, barrier);
            let Some(report) = report(&child) else {
                panic!("{bug} was not caught under {barrier} in {time:?}");
            };
            println!("{bug}, {barrier}: caught after {time:.1?}: {report}");
        }
    }

    /// For `ci/planted.sh twin`: says which of the named twins are caught, and fails for none.
    #[test]
    fn twins() {
        let names = std::env::var("TRICOLOR_TEST_TWINS").unwrap_or_default();
        for twin in names.split_whitespace() {
            for barrier in CONCURRENT {
                let (child, time) = run_with(twin, barrier);
                let report = report(&child).unwrap_or_else(|| "not caught".into());
                println!("{twin}, {barrier}, {time:.1?}: {report}");
            }
        }
    }

    #[test]
    fn every_1000th_shade_dropped_is_caught() {
        is_caught("DropsShades", &CONCURRENT);
    }

    #[test]
    fn every_1000th_claim_skipped_is_caught() {
        is_caught("SkipsClaims", &CONCURRENT);
    }

    /// The others mark what was reachable at the start, or shade what a swap took out: there a root's shade is the second.
    #[test]
    fn every_1000th_root_not_shaded_is_caught() {
        is_caught("DropsRootShades", &[Barrier::Insertion]);
    }

    #[test]
    fn a_sweep_that_frees_a_live_object_is_caught() {
        is_caught("SweepsLive", &BARRIERS);
    }

    /// The verifier fills freed slots, and looks at them before the next object is made there.
    #[test]
    fn a_write_to_a_freed_slot_is_caught() {
        let (child, time) = run_alone("planted::late_writer", &[(LATE, "1")]);
        let report = report(&child).expect("it was to be caught");
        println!("a late write: caught after {time:.1?}: {report}");
        assert!(report.contains("free memory at"), "{report}");
    }
}
