//! Random programs of one to three threads that do to one heap all that safe code can do at once: every kind of place, loaded from and
//! stored into while markers mark; guards held for long, leaked, and held across another mutator's turn; mutators of one
//! thread inside each other, and some attached there; traces that panic; heaps that fill up; cycles asked for all the
//! time; values that must be dropped at home.
//!
//! What is reachable stays alive (each object owns a canary that dies with it), and what is made is dropped once, at the latest
//! with its heap. With `--features verify` each cycle is checked by a second marking. The programs race, so a seed repeats the
//! kind of heap and what each thread does, but not their interleaving.
//!
//! `TRICOLOR_RANDOM_SECONDS` says for how long (a few seconds by default), `TRICOLOR_RANDOM_SEED` the first seed (that of the
//! clock by default). Each program is printed before it runs: the last one is that which fails.

mod common;
#[path = "random_programs/nest.rs"]
mod nest;
#[path = "random_programs/node.rs"]
mod node;
#[path = "random_programs/thread.rs"]
mod thread;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{Random, wait_until};
use nest::Own;
use node::{DROPPED_ELSEWHERE, Hand, Ledger, NodeRoot};
use thread::{Thread, survive};
use tricolor_gc::{Barrier, Heap, Root, StressConfig};

/// In the message of each panic that a program makes.
const EXPECTED: &str = "a program's own panic";
/// In the message of a panic of the library for want of memory.
const FULL: &str = "out of heap";

const ROOTS: usize = 4;

/// What a seed stands for.
#[derive(Clone, Copy, Debug)]
struct Kind {
    seed: u64,
    barrier: Barrier,
    markers: usize,
    threads: u64,
    /// Guards are leaked, one in so many.
    leaks: bool,
    leak_every: usize,
    /// Traces panic.
    bombs: bool,
    /// The heap has a limit that it reaches.
    full: bool,
    /// The stress mode, and the length of its buffers: what mutators hand over late are long ones.
    stress: Option<usize>,
}

impl Kind {
    /// What has most states comes most often: concurrent barriers, two markers, leaked guards.
    fn of(seed: u64) -> Self {
        use Barrier::{Deletion, Hybrid, Insertion, StopTheWorld};
        let mut random = Random::new(seed);
        let mut one_in = |n| random.below(n) == 0;
        let (bombs, full) = (one_in(3), one_in(6));
        let (leaks, leak_every) = (!one_in(3), if one_in(4) { 60 } else { 15 });
        let barriers = [Insertion, Insertion, Hybrid, Hybrid, Deletion, StopTheWorld];
        Kind {
            seed,
            barrier: barriers[random.below(barriers.len())],
            markers: [0, 1, 1, 2, 2, 2][random.below(6)],
            threads: [1, 1, 2, 3][random.below(4)],
            leaks,
            leak_every,
            bombs,
            full,
            stress: [None, Some(1), Some(64)][random.below(3)],
        }
    }

    fn heap(&self) -> Heap {
        let mut builder = Heap::builder()
            .barrier(self.barrier)
            .marker_threads(self.markers)
            .min_heap(1 << 16);
        if self.full {
            builder = builder.max_heap(1 << 20);
        }
        if let Some(buffer) = self.stress {
            let mut stress = StressConfig::new(self.seed).cycle_every(60);
            stress.buffer = buffer;
            builder = builder.stress(stress);
        }
        builder.build().unwrap()
    }

    /// One program from beginning to end.
    fn run(&self) {
        let ledger = Ledger::default();
        let heap = self.heap();
        {
            let mut mutator = heap.attach();
            let mut random = Random::new(self.seed);
            let roots: Vec<NodeRoot> = (0..ROOTS)
                .map(|_| {
                    mutator.enter(|mc| {
                        let mut hand = Hand {
                            mc,
                            random: &mut random,
                            kind: self,
                            ledger: &ledger,
                            own: Own::root(mc).get(mc),
                        };
                        Root::new(mc, hand.node(None))
                    })
                })
                .collect();
            std::thread::scope(|scope| {
                for thread in 1..=self.threads {
                    let (heap, ledger, roots) = (&heap, &ledger, roots.clone());
                    let seed = self.seed.wrapping_mul(7) + thread;
                    scope.spawn(move || Thread::new(heap, self, ledger, seed, roots).run());
                }
            });
            for _ in 0..2 {
                survive(|| mutator.collect());
            }
            for root in &roots {
                mutator.enter(|mc| root.get(mc).canary.check());
            }
        }
        drop(heap);
        wait_until("every object is dropped once", || ledger.balance() == 0);
        assert_eq!(DROPPED_ELSEWHERE.load(Ordering::SeqCst), 0);
    }
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_programs_lose_nothing() {
    quiet();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = setting("TRICOLOR_RANDOM_SEED").unwrap_or(clock.as_millis() as u64);
    let seconds = setting("TRICOLOR_RANDOM_SECONDS").unwrap_or(5);
    let began = Instant::now();
    let mut seed = first;
    while began.elapsed() < Duration::from_secs(seconds) {
        let kind = Kind::of(seed);
        // Before it runs: the verifier ends the process.
        eprintln!("{kind:?}");
        kind.run();
        seed += 1;
    }
    eprintln!("seeds {first} to {seed}");
}

/// Panics that programs make are not printed.
fn quiet() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if !message.contains(EXPECTED) && !message.contains(FULL) {
            print(panic);
        }
    }));
}
