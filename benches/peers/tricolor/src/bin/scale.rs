//! How the collector scales, without a peer: mutators, live heap, roots, heap size. Prints a page of tables; `benches/peers/scale`
//! writes it to `docs/performance/scaling.md`.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use peers_common::{Latency, Random, process_nanos};
use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Mutator, Root, Rootable, Trace};

const MB: usize = 1 << 20;
const RUNS: usize = 9;

/// 32 bytes.
#[derive(Trace)]
struct Node<'gc> {
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
    words: [u64; 2],
}

const NODE: usize = size_of::<Node<'_>>();

fn tree<'gc>(mc: &Mutation<'gc>, depth: u32) -> Option<Gc<'gc, Node<'gc>>> {
    (depth > 0).then(|| {
        let (left, right) = (tree(mc, depth - 1), tree(mc, depth - 1));
        let words = [u64::from(depth), 0];
        Gc::new(mc, Node { left, right, words })
    })
}

/// Trees of 2 MB, `bytes` in all.
fn live(mutator: &mut Mutator, bytes: usize) -> Vec<Root<Rootable![Node<'_>]>> {
    (0..bytes / (2 * MB))
        .map(|_| mutator.enter(|mc| Root::new(mc, tree(mc, 16).expect("not empty"))))
        .collect()
}

/// Allocates `bytes` of garbage, with `work` random numbers made for each object.
fn garbage(mutator: &mut Mutator, bytes: usize, work: usize) {
    let mut random = Random::new();
    let (mut left, batch) = (bytes / NODE, 1000);
    while left > 0 {
        mutator.enter(|mc| {
            while left > 0 {
                let some = left.min(batch);
                for word in 0..some as u64 {
                    let number = (0..work).fold(0, |_, _| random.next());
                    let words = [word, number];
                    Gc::new(
                        mc,
                        Node {
                            left: None,
                            right: None,
                            words,
                        },
                    );
                }
                left -= some;
                if mc.should_yield() {
                    break;
                }
            }
        });
    }
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("times compare"));
    values[values.len() / 2]
}

/// A heap that starts no cycle by itself.
fn quiet() -> Heap {
    let heap = Heap::builder().min_heap(64 << 30).build();
    heap.expect("settings in range")
}

/// The time that `threads` threads take for `work`, which gets what `prepare` makes on its thread.
fn side_by_side<T>(
    threads: usize,
    prepare: impl Fn() -> T + Sync,
    work: impl Fn(&mut T) + Sync,
) -> Duration {
    let (begin, end) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = prepare();
                begin.wait();
                work(&mut own);
                end.wait();
            });
        }
        begin.wait();
        let start = Instant::now();
        end.wait();
        start.elapsed()
    })
}

/// The same stores, to memory of the thread's own that has been used before.
fn plain_stores(threads: usize, bytes: usize) -> Duration {
    side_by_side(
        threads,
        || vec![[1_u64; NODE / 8]; bytes / NODE],
        |nodes| {
            for (word, node) in (0..).zip(nodes.iter_mut()) {
                *black_box(node) = [0, 0, word, 0];
            }
        },
    )
}

/// Allocation in memory used before.
fn allocation(heap: &Heap, threads: usize, bytes: usize, work: usize) -> Duration {
    heap.collect();
    side_by_side(
        threads,
        || heap.attach(),
        |mutator| garbage(mutator, bytes, work),
    )
}

fn mutators() {
    println!("## Two mutators\n");
    println!(
        "Each mutator allocates 256 MB of 32-byte objects while no cycle runs, in memory that has been used before; median of {RUNS}."
    );
    println!(
        "Beside it what threads that only write 32 bytes after 32 bytes come to, and allocation by threads that do something else, too.\n"
    );
    println!("| | threads | ms | million objects/s | of one thread's |\n|---|---:|---:|---:|---:|");
    let bytes = 256 * MB;
    let heap = quiet();
    allocation(&heap, 2, bytes, 0);
    let run = |name: &str, time: &dyn Fn(usize) -> Duration| {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            for threads in [1, 2] {
                times[threads - 1].push(time(threads).as_secs_f64());
            }
        }
        let times = times.map(median);
        for threads in [1, 2] {
            let rate = |threads: usize| (threads * bytes / NODE) as f64 / times[threads - 1] / 1e6;
            let (ms, objects) = (times[threads - 1] * 1e3, rate(threads));
            println!(
                "| {name} | {threads} | {ms:.1} | {objects:.0} | {:.2} |",
                objects / rate(1)
            );
        }
    };
    run("allocation", &|threads| {
        allocation(&heap, threads, bytes, 0)
    });
    run("allocation and 20 random numbers", &|threads| {
        allocation(&heap, threads, bytes, 20)
    });
    run("plain stores", &|threads| plain_stores(threads, bytes));
}

const WINDOW: usize = 64;
type Window = Rootable!['gc => [GcSlot<Option<Gc<'gc, Node<'gc>>>>]];

/// Waits in batches of a thousand allocations, the lists of the last 64 of which live, with the collector in its stride.
fn waits(mutator: &mut Mutator, batches: u64) -> [[f64; 4]; 2] {
    mutator.collect();
    let window: Root<Window> =
        mutator.enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, WINDOW, |_| GcSlot::new(None))));
    let mut latency = Latency::start(batches);
    let mut batch = 0;
    while batch < batches {
        mutator.enter(|mc| {
            while batch < batches {
                let list = (0..1000).fold(None, |left, word| {
                    let words = [word, 0];
                    Some(Gc::new(
                        mc,
                        Node {
                            left,
                            right: None,
                            words,
                        },
                    ))
                });
                window.get(mc)[batch as usize % WINDOW].set(mc, list);
                batch += 1;
                if mc.should_yield() {
                    break;
                }
                latency.lap();
            }
        });
        if latency.laps() < batch {
            latency.lap();
        }
    }
    latency.summary()
}

fn waits_header(of: &str) {
    println!(
        "| {of} | CPU p50 | p99 | p99.9 | max | wall p50 | p99 | p99.9 | max | cycles | longest stop |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
}

fn waits_row(what: &str, heap: &Heap, mutator: &mut Mutator, batches: u64) {
    let before = heap.stats().cycles;
    let clocks = waits(mutator, batches);
    print!("| {what} |");
    clocks.iter().flatten().for_each(|us| print!(" {us:.1} |"));
    let stats = heap.stats();
    let stop = stats.longest_stop.as_secs_f64() * 1e6;
    println!(" {} | {stop:.1} |", stats.cycles - before);
}

/// What the machine makes of a loop that takes as long, and waits for nobody.
fn idle_row(batches: u64) {
    let mut latency = Latency::start(batches);
    let mut number = 1_u64;
    for _ in 0..batches {
        number = (0..2000).fold(black_box(number), |n, _| n.wrapping_mul(n | 5));
        latency.lap();
    }
    black_box(number);
    print!("| none: 2,000 multiplications |");
    let clocks = latency.summary();
    clocks.iter().flatten().for_each(|us| print!(" {us:.1} |"));
    println!(" – | – |");
}

fn live_heap() {
    println!("\n## Waits as the live heap grows\n");
    println!(
        "Microseconds that a thousand allocations take, beside so much live data, in a heap that has been as large before; at least two cycles each."
    );
    println!(
        "The first row is a loop without a heap: what the machine takes from a thread that waits for nobody.\n"
    );
    waits_header("live MB");
    idle_row(50_000);
    for mb in [64, 256, 1024, 4096] {
        let heap = Heap::new();
        let mut mutator = heap.attach();
        let roots = live(&mut mutator, mb * MB);
        // Two cycles: where the machine is a virtual one, a huge page that is new to it takes milliseconds, whoever asks.
        garbage(&mut mutator, 3 * mb * MB, 0);
        waits_row(
            &mb.to_string(),
            &heap,
            &mut mutator,
            50_000 + 70 * mb as u64,
        );
        drop(roots);
    }
}

fn roots() {
    println!("\n## Waits as roots grow\n");
    println!("The same beside 64 MB of live data and so many more roots.\n");
    waits_header("roots");
    for count in [10, 1000, 100_000, 1_000_000] {
        let heap = Heap::new();
        let mut mutator = heap.attach();
        let kept = live(&mut mutator, 64 * MB);
        let roots: Vec<Root<Rootable![u64]>> = (0..count)
            .map(|number| mutator.enter(|mc| Root::new(mc, Gc::new(mc, number))))
            .collect();
        garbage(&mut mutator, 3 * 64 * MB, 0);
        waits_row(&count.to_string(), &heap, &mut mutator, 50_000);
        drop((kept, roots));
    }
}

/// Processor and wall time of a cycle, in milliseconds.
fn cycle(mutator: &mut Mutator) -> (f64, f64) {
    let times = (0..RUNS).map(|_| {
        let (cpu, wall) = (process_nanos(), Instant::now());
        mutator.collect();
        (
            (process_nanos() - cpu) as f64 / 1e6,
            wall.elapsed().as_secs_f64() * 1e3,
        )
    });
    let (cpu, wall) = times.unzip();
    (median(cpu), median(wall))
}

fn cycles() {
    println!("\n## What a cycle costs\n");
    println!(
        "A forced cycle beside so much live data, in a heap that has held so much garbage before; median of {RUNS}.\n"
    );
    println!(
        "| live MB | garbage before, MB | CPU ms | wall ms | CPU ns for each live object |\n|---:|---:|---:|---:|---:|"
    );
    for (mb, had) in [
        (64, 0),
        (64, 1024),
        (64, 4096),
        (256, 0),
        (1024, 0),
        (4096, 0),
    ] {
        let heap = quiet();
        let mut mutator = heap.attach();
        garbage(&mut mutator, had * MB, 0);
        mutator.collect();
        let roots = live(&mut mutator, mb * MB);
        mutator.collect();
        let (cpu, wall) = cycle(&mut mutator);
        let objects = (mb * MB / NODE) as f64;
        println!(
            "| {mb} | {had} | {cpu:.2} | {wall:.2} | {:.2} |",
            cpu * 1e6 / objects
        );
        drop(roots);
    }
}

fn main() {
    // All tables, or those that are named.
    let tables: [(&str, fn()); 4] = [
        ("mutators", mutators),
        ("live", live_heap),
        ("roots", roots),
        ("cycles", cycles),
    ];
    let named: Vec<String> = std::env::args().skip(1).collect();
    for (name, table) in tables {
        if named.is_empty() || named.iter().any(|given| given == name) {
            table();
        }
    }
}
