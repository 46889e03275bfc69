//! The figures that a heap reports of itself and of its cycles, against what is known of a small heap.

mod common;

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::{BARRIERS, CONCURRENT, Link, begin_cycle, finish_cycle, heap, long_list, quiet_heap};
use tricolor_gc::{
    Barrier, CycleStats, Gc, GcRefCell, GcSlot, Heap, Mutator, Root, Rootable, Trace,
};

/// In a slot of 32 bytes, which nothing else has.
type Leaf<'gc> = Gc<'gc, [u64; 4]>;

const LEAF: usize = 32;

/// Objects of every kind that markers tell apart.
#[derive(Trace)]
struct Kinds<'gc> {
    text: Gc<'gc, str>,
    small: [Gc<'gc, [Leaf<'gc>]>; 2],
    large: Gc<'gc, [Option<Leaf<'gc>>]>,
    bytes: Gc<'gc, [u8]>,
    next: GcSlot<Option<Gc<'gc, Kinds<'gc>>>>,
    list: GcRefCell<Vec<Leaf<'gc>>>,
    many: Gc<'gc, ([u64; 10_000], Leaf<'gc>)>,
}

/// Objects in one `Kinds`: itself, those that its fields name, and the leaves.
const OBJECTS: u64 = 1 + 6 + 13;

type Held = Root<Rootable![Kinds<'_>]>;

fn kinds(mutator: &mut Mutator) -> Held {
    mutator.enter(|mc| {
        let leaf = || Gc::new(mc, [7; 4]);
        let shared = leaf();
        let kinds = Kinds {
            text: Gc::new_str(mc, "some text"),
            small: [1, 9].map(|len| Gc::slice_from_fn(mc, len, |_| leaf())),
            large: Gc::slice_from_fn(mc, 20_000, |_| Some(shared)),
            bytes: Gc::copy_from_slice(mc, &[1; 100]),
            next: GcSlot::new(None),
            list: GcRefCell::new(vec![leaf(), leaf()]),
            many: Gc::new(mc, ([0; 10_000], shared)),
        };
        let kinds = Gc::new(mc, kinds);
        kinds.next.set(mc, Some(kinds));
        Root::new(mc, kinds)
    })
}

fn garbage(mutator: &mut Mutator, leaves: usize) {
    mutator.enter(|mc| {
        for _ in 0..leaves {
            Gc::new(mc, [1u64; 4]);
        }
    });
}

#[test]
fn the_figures_of_a_cycle_add_up() {
    const EXTERNAL: usize = 12_345;
    for barrier in BARRIERS {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let roots: Vec<Held> = (0..10).map(|_| kinds(&mut mutator)).collect();
        garbage(&mut mutator, 500);
        mutator.enter(|mc| mc.account(EXTERNAL as isize));
        let cycle = mutator.collect();
        let stats = heap.stats();
        assert_eq!(cycle.objects_live, 10 * OBJECTS, "{barrier}");
        assert_eq!(cycle.objects_marked, cycle.objects_live, "{barrier}");
        assert_eq!(cycle.bytes_marked, stats.bytes_live as u64, "{barrier}");
        let freed = (cycle.objects_freed, cycle.bytes_freed);
        assert_eq!(freed, (500, 500 * LEAF as u64), "{barrier}");
        let outside = EXTERNAL + stats.bytes_owned;
        assert_eq!(cycle.heap_live, stats.bytes_live + outside, "{barrier}");
        assert_eq!(stats.bytes_external, EXTERNAL);
        // A run of slots is counted when it is taken.
        let ahead = cycle.heap_start - cycle.heap_live - cycle.bytes_freed as usize;
        assert!(ahead < 200_000, "{barrier}: {ahead} bytes counted ahead");
        assert_eq!(cycle.heap_end, cycle.heap_start, "nothing was allocated");
        assert_eq!(cycle.bytes_allocated, 0, "{barrier}");
        assert!(
            stats.bytes_live <= stats.bytes_in_use && stats.bytes_in_use <= stats.bytes_committed
        );
        drop(roots);
        let cycle = mutator.collect();
        assert_eq!(
            (cycle.objects_marked, cycle.bytes_marked),
            (0, 0),
            "{barrier}"
        );
        let freed = (cycle.objects_freed, cycle.bytes_freed);
        assert_eq!(freed, (10 * OBJECTS, stats.bytes_live as u64), "{barrier}");
        assert_eq!(heap.stats().bytes_live, 0, "{barrier}");
    }
}

#[test]
fn the_times_of_a_cycle_fit_into_it() {
    for barrier in BARRIERS {
        let heap = heap(barrier, 1);
        let mut mutator = heap.attach();
        let _roots: Vec<Held> = (0..10).map(|_| kinds(&mut mutator)).collect();
        let began = Instant::now();
        let cycle = mutator.collect();
        let took = began.elapsed();
        let phases = cycle.arming + cycle.marking + cycle.terminating + cycle.sweeping;
        assert!(
            phases <= took && cycle.arming.min(cycle.marking) > Duration::ZERO,
            "{cycle:?}"
        );
        assert!(
            cycle.longest_stop <= cycle.stopped && cycle.stopped <= took,
            "{cycle:?}"
        );
        assert_eq!(cycle.stops > 0, cycle.stopped > Duration::ZERO, "{cycle:?}");
        let longest = cycle.longest_stop * cycle.stops;
        assert!(cycle.stopped <= longest, "{cycle:?}");
        assert_eq!(
            cycle.handshakes > 0,
            cycle.longest_handshake > Duration::ZERO,
            "{cycle:?}"
        );
        assert!(cycle.longest_handshake <= took, "{cycle:?}");
        assert_eq!((cycle.barrier, cycle.cycle, cycle.markers), (barrier, 1, 1));
    }
}

/// A cycle's goal is what the one before left: twice what lived, and the room of a small heap.
#[test]
fn the_goal_follows_what_lives() {
    const MIN: usize = 1 << 20;
    for barrier in BARRIERS {
        let heap = Heap::builder().barrier(barrier).min_heap(MIN);
        let mut mutator = heap.build().unwrap().attach();
        let _bytes: Root<Rootable![[u8]]> =
            mutator.enter(|mc| Root::new(mc, Gc::copy_from_slice(mc, &[1; 16 * MIN])));
        let live = mutator.collect().heap_live;
        let goal = mutator.collect().goal;
        assert!(live >= 16 * MIN, "{barrier}");
        assert!(
            (31 * MIN..=2 * live + 2 * MIN).contains(&goal),
            "{barrier}: {goal}"
        );
    }
}

/// One that stays inside holds up the first handshake, not those that end the marking.
#[test]
fn the_longest_handshake_is_that_of_a_straggler() {
    const LONG: Duration = Duration::from_millis(20);
    for barrier in [Barrier::Insertion, Barrier::Hybrid] {
        let heap = heap(barrier, 1);
        let (is_inside, inside) = mpsc::channel();
        let straggler = thread::spawn({
            let heap = heap.clone();
            move || {
                heap.attach().enter(|mc| {
                    is_inside.send(()).unwrap();
                    while !mc.should_yield() {
                        thread::sleep(Duration::from_millis(1));
                    }
                    thread::sleep(LONG);
                });
            }
        });
        inside.recv().unwrap();
        let cycle = heap.collect();
        straggler.join().unwrap();
        assert!(cycle.longest_handshake >= LONG, "{cycle:?}");
    }
}

/// What is allocated while a cycle marks counts for its end, and is not freed by it.
#[test]
fn what_is_allocated_while_marking_is_told_apart() {
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let list: Root<Rootable![Link<'_, ()>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, ())));
        begin_cycle(&mut mutator);
        garbage(&mut mutator, 2000);
        let cycle = finish_cycle(&mut mutator);
        // Exact to a kilobyte that is not reported yet, and a span.
        let allocated = cycle.bytes_allocated;
        let expected = 2000 * LEAF - 1024..2000 * LEAF + (32 << 10);
        assert!(expected.contains(&allocated), "{barrier}: {allocated}");
        let grown = cycle.heap_end - cycle.heap_start;
        assert_eq!(grown, allocated, "{barrier}");
        assert!(cycle.bytes_assisted <= cycle.bytes_marked, "{barrier}");
        assert!(heap.stats().bytes_allocated >= (2000 * LEAF) as u64);
        drop(list);
    }
}

/// A program that allocates while a cycle marks pays for it by marking.
#[test]
fn mutators_mark_for_what_they_allocate() {
    for barrier in CONCURRENT {
        let heap = Heap::builder().barrier(barrier).marker_threads(0);
        let heap = heap.minor_cycles(false).build().unwrap();
        let mut mutator = heap.attach();
        let _list: Root<Rootable![Link<'_, ()>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, ())));
        let mut assisted = 0;
        for _ in 0..40 {
            garbage(&mut mutator, 100_000);
            let cycle = heap.last_cycle().unwrap_or_default();
            assert!(cycle.bytes_assisted <= cycle.bytes_marked, "{cycle:?}");
            assisted += cycle.bytes_assisted;
        }
        assert!(assisted > 0 && heap.stats().bytes_assisted > 0, "{barrier}");
    }
}

#[test]
fn the_figures_of_a_heap_are_the_sums_of_its_cycles() {
    for barrier in BARRIERS {
        let heap = heap(barrier, 1);
        let mut mutator = heap.attach();
        let mut cycles: Vec<CycleStats> = Vec::new();
        for leaves in [100, 1000, 10_000] {
            garbage(&mut mutator, leaves);
            cycles.push(mutator.collect());
        }
        let stats = heap.stats();
        assert_eq!(stats.cycles, 3);
        assert_eq!(stats.objects_freed, 11_100, "{barrier}");
        let sum = |of: fn(&CycleStats) -> Duration| cycles.iter().map(of).sum::<Duration>();
        assert_eq!(stats.marking, sum(|cycle| cycle.marking), "{barrier}");
        assert_eq!(stats.sweeping, sum(|cycle| cycle.sweeping), "{barrier}");
        assert_eq!(stats.stopped, sum(|cycle| cycle.stopped), "{barrier}");
        let most = |of: fn(&CycleStats) -> Duration| cycles.iter().map(of).max().unwrap();
        assert_eq!(
            stats.longest_stop,
            most(|cycle| cycle.longest_stop),
            "{barrier}"
        );
        let handshake = most(|cycle| cycle.longest_handshake);
        assert_eq!(stats.longest_handshake, handshake, "{barrier}");
        let stops: u32 = cycles.iter().map(|cycle| cycle.stops).sum();
        assert_eq!(stats.stops, u64::from(stops), "{barrier}");
        assert_eq!(stats.mutators, 1);
    }
}

/// The line of each cycle that `trace(true)` asks for, and the environment; otherwise none.
#[test]
fn a_trace_has_a_line_for_each_cycle() {
    const CHILD: &str = "TRICOLOR_TEST_TRACED";
    if let Ok(builder) = std::env::var(CHILD) {
        let heap = match &*builder {
            "asked" => Heap::builder().trace(true).build().unwrap(),
            _ => Heap::new(),
        };
        let mut mutator = heap.attach();
        // Whoever prints the line does not need it.
        let _lock = std::io::stderr().lock();
        for _ in 0..3 {
            mutator.collect();
        }
        return;
    }
    for (child, env, lines) in [
        ("asked", "", 3),
        ("by the environment", "trace=1", 3),
        ("no", "", 0),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "a_trace_has_a_line_for_each_cycle",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, child)
            .env("TRICOLOR_GC", env)
            .stdout(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let traced = text.lines().filter(|line| line.starts_with("gc ")).count();
        assert_eq!(traced, lines, "{child}: {text}");
    }
}
