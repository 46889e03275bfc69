//! Runs a heap for a long time and looks whether it stays as small as it was: `soak [MINUTES]`, 4 by default.
//!
//! Each barrier in turn gets a quarter of the time and a heap of its own. Several mutators keep a working set of constant
//! size and replace it bit by bit: trees, a table that they share, vectors and strings, weak references, roots that one
//! thread makes and another drops; now and then a thread detaches and attaches again. A line is printed each minute
//! (more often in a short run). The exit code is 1 if the second half of a barrier's time needs clearly more memory than
//! the first.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tricolor_gc::{
    Barrier, Gc, GcMutex, GcRefCell, GcSlot, GcWeak, Heap, Mutation, Root, Rootable, Trace,
};

const MUTATORS: u64 = 3;
/// Entries of the shared table.
const SHARED: usize = 4096;
/// Rounds until a mutator detaches and attaches again.
const STAY: u64 = 20_000;
const SAMPLES: u32 = 6;
/// Growth that is still called flat: a fifth, and what the page heap may hold back.
const SLACK_BYTES: usize = 16 << 20;

#[derive(Trace)]
struct Tree<'gc> {
    stamp: u64,
    left: Option<Gc<'gc, Tree<'gc>>>,
    right: Option<Gc<'gc, Tree<'gc>>>,
}

#[derive(Trace)]
struct Shared<'gc> {
    trees: Vec<GcSlot<Option<Gc<'gc, Tree<'gc>>>>>,
    names: GcMutex<Vec<Gc<'gc, String>>>,
}

#[derive(Trace)]
struct Own<'gc> {
    recent: GcRefCell<Vec<Gc<'gc, Tree<'gc>>>>,
    watched: GcRefCell<Vec<GcWeak<'gc, Tree<'gc>>>>,
}

type SharedRoot = Root<Rootable![Shared<'_>]>;
type TreeRoot = Root<Rootable![Tree<'_>]>;

fn tree<'gc>(mc: &Mutation<'gc>, stamp: u64, depth: u32) -> Gc<'gc, Tree<'gc>> {
    let child = || (depth > 0).then(|| tree(mc, stamp, depth - 1));
    let (left, right) = (child(), child());
    Gc::new(mc, Tree { stamp, left, right })
}

/// Panics if a tree is not whole.
fn check(tree: Gc<'_, Tree<'_>>) {
    for child in [tree.left, tree.right].into_iter().flatten() {
        assert_eq!(child.stamp, tree.stamp, "a tree has a foreign child");
        check(child);
    }
}

/// xorshift; Marsaglia 2003.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Replaces a bit of the working set, and looks at another.
fn one_round<'gc>(
    mc: &Mutation<'gc>,
    shared: Gc<'gc, Shared<'gc>>,
    own: Gc<'gc, Own<'gc>>,
    random: &mut Random,
) {
    let new = tree(mc, random.0, 4);
    shared.trees[random.below(SHARED)].set(mc, Some(new));
    if let Some(old) = shared.trees[random.below(SHARED)].get() {
        check(old);
        own.watched.borrow_mut(mc).push(Gc::downgrade(old, mc));
    }
    own.recent.borrow_mut(mc).push(new);
    if own.recent.borrow().len() > 64 {
        own.recent.borrow_mut(mc).drain(..32);
    }
    if own.watched.borrow().len() > 64 {
        for weak in own.watched.borrow_mut(mc).drain(..32) {
            if let Some(tree) = weak.upgrade(mc) {
                check(tree);
            }
        }
    }
    let mut names = shared.names.lock(mc);
    names.push(Gc::new(mc, format!("name {}", random.0)));
    if names.len() > 1000 {
        *names = names[500..].to_vec();
    }
}

/// What the threads of one heap share.
struct Run {
    heap: Heap,
    shared: SharedRoot,
    stop: AtomicBool,
    rounds: AtomicU64,
}

/// One mutator's life: rounds until the run stops. Roots that it makes go to another mutator, which drops them.
fn mutate(run: &Run, seed: u64, give: &SyncSender<TreeRoot>, take: &Receiver<TreeRoot>) {
    let mut random = Random(seed);
    let stopped = || run.stop.load(Ordering::Relaxed);
    while !stopped() {
        let mut mutator = run.heap.attach();
        let own: Root<Rootable![Own<'_>]> = mutator.enter(|mc| {
            let own = Own {
                recent: GcRefCell::new(vec![]),
                watched: GcRefCell::new(vec![]),
            };
            Root::new(mc, Gc::new(mc, own))
        });
        for _ in (0..STAY).take_while(|_| !stopped()) {
            mutator.enter(|mc| {
                one_round(mc, run.shared.get(mc), own.get(mc), &mut random);
                if random.below(8) == 0 {
                    // A full channel drops the root here.
                    let _ = give.try_send(Root::new(mc, tree(mc, 1, 3)));
                }
            });
            if let Ok(root) = take.try_recv() {
                mutator.enter(|mc| check(root.get(mc)));
            }
            run.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Bytes of the process in memory; 0 where the system does not say.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}

/// Prints a line; the resident bytes.
fn sample(run: &Run, began: Instant) -> usize {
    let (stats, resident) = (run.heap.stats(), resident());
    let mb = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    println!(
        "{:>14} {:>6.0} s: rss {:>7.1} MB, live {:>6.1} MB, in use {:>6.1} MB, {} cycles, {} stops, longest {:?}, {} rounds",
        run.heap.barrier(),
        began.elapsed().as_secs_f64(),
        mb(resident),
        mb(stats.bytes_live),
        mb(stats.bytes_in_use),
        stats.cycles,
        stats.stops,
        stats.longest_stop,
        run.rounds.load(Ordering::Relaxed),
    );
    resident
}

/// One barrier's time. Whether memory stayed flat.
fn soak(barrier: Barrier, time: Duration) -> bool {
    let heap = Heap::builder()
        .barrier(barrier)
        .build()
        .expect("the settings are in range");
    let shared = heap.attach().enter(|mc| {
        let trees = (0..SHARED).map(|_| GcSlot::new(None)).collect();
        Root::new(
            mc,
            Gc::new(
                mc,
                Shared {
                    trees,
                    names: GcMutex::new(Vec::new()),
                },
            ),
        )
    });
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let run = Run {
        heap,
        shared,
        stop,
        rounds,
    };
    let began = Instant::now();
    let interval = (time / SAMPLES).min(Duration::from_secs(60));
    let mut samples = Vec::new();
    std::thread::scope(|scope| {
        let mut channels: Vec<_> = (0..MUTATORS).map(|_| sync_channel(64)).collect();
        let gives: Vec<_> = channels.iter().map(|(give, _)| give.clone()).collect();
        for seed in 0..MUTATORS {
            let take = channels.pop().expect("one for each mutator").1;
            let (give, run) = (gives[seed as usize].clone(), &run);
            scope.spawn(move || mutate(run, 0x9e37_79b9 + seed, &give, &take));
        }
        while began.elapsed() < time {
            std::thread::sleep(interval.min(time.saturating_sub(began.elapsed())));
            samples.push(sample(&run, began));
        }
        run.stop.store(true, Ordering::Relaxed);
    });
    let (first, second) = samples.split_at(samples.len() / 2);
    let (before, after) = (
        first.iter().max().unwrap_or(&0),
        second.iter().max().unwrap_or(&0),
    );
    let flat = *after <= before + before / 5 + SLACK_BYTES;
    if !flat {
        println!("{barrier}: memory grew from {before} to {after} bytes");
    }
    flat
}

fn main() -> ExitCode {
    let minutes = std::env::args()
        .nth(1)
        .map_or(Ok(4.0), |text| text.parse::<f64>());
    let Ok(minutes @ 0.0..1e6) = minutes else {
        eprintln!("Usage: soak [MINUTES]");
        return ExitCode::from(64);
    };
    let time = Duration::from_secs_f64(minutes * 60.0 / 4.0);
    let barriers = [
        Barrier::Insertion,
        Barrier::Deletion,
        Barrier::Hybrid,
        Barrier::StopTheWorld,
    ];
    let flat = barriers.map(|barrier| soak(barrier, time));
    ExitCode::from(u8::from(flat.contains(&false)))
}
