//! A program that rebuilds a random graph all the time, under the stress mode, with every barrier, number of markers and
//! number of mutators. With `--features verify` each cycle is checked by a second marking.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{BARRIERS, CONCURRENT, Drops, Random, Token};
use tricolor_gc::{
    Gc, GcCell, GcMutex, GcRefCell, GcSlot, GcWeak, Heap, Mutation, Root, Rootable, StressConfig,
    Trace, Tracer,
};

/// A node for one thread: all kinds of places, in place and behind a `Box`.
#[derive(Trace)]
struct Node<'gc> {
    stamp: u64,
    slot: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
    cell: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    list: Box<GcRefCell<Vec<Gc<'gc, Node<'gc>>>>>,
    weak: GcCell<Option<GcWeak<'gc, Node<'gc>>>>,
    leaf: Option<Gc<'gc, [u64]>>,
    token: Token,
}

const STAMP: u64 = 0x600d_600d_600d_0000;
const TOPS: usize = 16;

impl<'gc> Node<'gc> {
    fn new(mc: &Mutation<'gc>, random: &mut Random, drops: &Drops) -> Gc<'gc, Self> {
        let stamp = STAMP + random.next() % 0xffff;
        let leaf = Gc::slice_from_fn(mc, random.below(6), |_| stamp);
        Gc::new(
            mc,
            Node {
                stamp,
                slot: GcSlot::new(None),
                cell: GcCell::new(None),
                list: Box::default(),
                weak: GcCell::new(None),
                leaf: (random.below(2) == 0).then_some(leaf),
                token: drops.token(),
            },
        )
    }

    fn check(&self) {
        assert_eq!(
            self.stamp & !0xffff,
            STAMP & !0xffff,
            "an object was freed and reused"
        );
        let _ = &self.token;
        if let Some(leaf) = self.leaf {
            assert!(
                leaf.iter().all(|&word| word == self.stamp),
                "a leaf was freed"
            );
        }
    }

    /// A random place that holds something.
    fn step(&self, mc: &Mutation<'gc>, random: &mut Random) -> Option<Gc<'gc, Node<'gc>>> {
        match random.below(4) {
            0 => self.slot.get(),
            1 => self.cell.get(),
            2 => self.weak.get().and_then(|weak| weak.upgrade(mc)),
            _ => {
                let list = self.list.borrow();
                (!list.is_empty()).then(|| list[random.below(list.len())])
            }
        }
    }

    fn store(&self, mc: &Mutation<'gc>, node: Option<Gc<'gc, Node<'gc>>>, random: &mut Random) {
        match random.below(5) {
            0 => self.slot.set(mc, node),
            1 => self.cell.set(mc, node),
            2 => self.weak.set(mc, node.map(|node| Gc::downgrade(node, mc))),
            3 => self.list.borrow_mut(mc).clear(),
            _ => {
                let mut list = self.list.borrow_mut(mc);
                list.extend(node);
                if list.len() > 4 {
                    list.swap_remove(random.below(4));
                }
            }
        }
    }
}

type Tops = Rootable!['gc => GcRefCell<Vec<Gc<'gc, Node<'gc>>>>];

/// One thread's program on a graph of its own.
fn churn(heap: &Heap, seed: u64, turns: usize, drops: &Drops) {
    let mut mutator = heap.attach();
    let mut random = Random::new(seed);
    let root: Root<Tops> = mutator.enter(|mc| {
        let tops = (0..TOPS)
            .map(|_| Node::new(mc, &mut random, drops))
            .collect();
        Root::new(mc, Gc::new(mc, GcRefCell::new(tops)))
    });
    for _ in 0..turns {
        mutator.enter(|mc| {
            let tops = root.get(mc);
            let pick = |random: &mut Random| {
                let mut node = tops.borrow()[random.below(TOPS)];
                for _ in 0..random.below(6) {
                    node.check();
                    let Some(next) = node.step(mc, random) else {
                        break;
                    };
                    node = next;
                }
                node.check();
                node
            };
            for _ in 0..10 {
                let (from, to) = (pick(&mut random), pick(&mut random));
                let new = Node::new(mc, &mut random, drops);
                match random.below(4) {
                    0 => from.store(mc, None, &mut random),
                    1 => from.store(mc, Some(to), &mut random),
                    2 => from.store(mc, Some(new), &mut random),
                    _ => tops.borrow_mut(mc)[random.below(TOPS)] = to,
                }
            }
            if random.below(20) == 0 {
                let at = random.below(TOPS);
                let new = Node::new(mc, &mut random, drops);
                tops.borrow_mut(mc)[at] = new;
            }
        });
    }
}

/// A list that all mutators work on.
#[derive(Trace)]
struct Shared<'gc> {
    stamp: u64,
    next: GcSlot<Option<Gc<'gc, Shared<'gc>>>>,
    list: GcMutex<Vec<Gc<'gc, Shared<'gc>>>>,
}

type SharedRoot = Root<Rootable![Shared<'_>]>;

fn new_shared<'gc>(mc: &Mutation<'gc>, random: &mut Random) -> Gc<'gc, Shared<'gc>> {
    let stamp = STAMP + random.next() % 0xffff;
    Gc::new(
        mc,
        Shared {
            stamp,
            next: GcSlot::new(None),
            list: GcMutex::new(Vec::new()),
        },
    )
}

fn churn_shared(heap: &Heap, root: &SharedRoot, seed: u64, turns: usize) {
    let mut mutator = heap.attach();
    let mut random = Random::new(seed);
    for _ in 0..turns {
        mutator.enter(|mc| {
            let top = root.get(mc);
            let mut node = top;
            for _ in 0..random.below(8) {
                let Some(next) = node.next.get() else { break };
                assert_eq!(next.stamp & !0xffff, STAMP & !0xffff);
                node = next;
            }
            let moved = top.list.lock(mc).pop();
            let new = new_shared(mc, &mut random);
            new.next.set(mc, moved);
            match random.below(3) {
                0 => drop(node.next.swap(mc, Some(new))),
                1 => {
                    let old = node.next.get();
                    let _ = node.next.compare_exchange(mc, old, Some(new));
                }
                _ => {
                    let mut list = top.list.lock(mc);
                    list.push(new);
                    list.extend(node.next.swap(mc, None));
                    list.truncate(8);
                }
            }
        });
    }
}

/// Turns of each thread: fewer under the verifier, which visits the whole heap in every cycle.
const TURNS: usize = if cfg!(feature = "verify") { 100 } else { 800 };

#[test]
fn random_graphs_under_stress() {
    for barrier in BARRIERS {
        for markers in 0..3 {
            for mutators in 1..3 {
                let seed = (markers * 10 + mutators) as u64;
                let heap = Heap::builder()
                    .barrier(barrier)
                    .marker_threads(markers)
                    .stress(StressConfig::new(seed).cycle_every(100))
                    .build()
                    .unwrap();
                let drops = Drops::new();
                let root: SharedRoot = heap.attach().enter(|mc| {
                    let mut random = Random::new(0);
                    Root::new(mc, new_shared(mc, &mut random))
                });
                thread::scope(|scope| {
                    for mutator in 0..mutators {
                        let (heap, root, drops) = (&heap, &root, &drops);
                        scope.spawn(move || {
                            // On a busy machine marker threads may be late for a short program, most of all under a sanitizer.
                            let end = Instant::now() + Duration::from_secs(300);
                            for round in (0..).take_while(|_| Instant::now() < end) {
                                let seed = seed + 100 * mutator as u64 + 1000 * round;
                                churn(heap, seed, TURNS, drops);
                                churn_shared(heap, root, seed, TURNS * 4);
                                if heap.stats().cycles > 10 {
                                    break;
                                }
                            }
                        });
                    }
                });
                let cycles = heap.stats().cycles;
                assert!(
                    cycles > 10,
                    "{barrier}, {markers} markers: {cycles} cycles only"
                );
                drop(root);
                heap.collect();
                let last = heap.collect();
                assert_eq!(last.objects_live, 0, "{last}");
                assert_eq!(heap.stats().drops_panicked, 0);
                let made = drops.count();
                drop(heap);
                assert_eq!(drops.count(), made, "what is dead was dropped, and once");
            }
        }
    }
}

/// Panics now and then when it is traced, which abandons the cycle.
struct Bomb(AtomicUsize);

// SAFETY: no pointers.
unsafe impl Trace<'_> for Bomb {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        if self.0.fetch_add(1, Ordering::Relaxed) % 3 == 1 {
            resume_unwind(Box::new("a bomb"));
        }
    }
}

/// One of many lists, each replaced as a whole, some with a bomb.
#[derive(Trace)]
struct Link<'gc> {
    number: usize,
    next: Option<Gc<'gc, Link<'gc>>>,
    bomb: Option<Gc<'gc, Bomb>>,
}

type Lists = Root<Rootable!['gc => [GcSlot<Option<Gc<'gc, Link<'gc>>>>]]>;

fn list<'gc>(mc: &Mutation<'gc>, index: usize) -> Gc<'gc, Link<'gc>> {
    let end = None;
    let bomb = index.is_multiple_of(100);
    let bomb = bomb.then(|| Gc::new(mc, Bomb(AtomicUsize::new(index / 100))));
    let add = |next, number| Some(Gc::new(mc, Link { number, next, bomb }));
    (0..100).fold(end, add).expect("a list")
}

/// Threads ask for cycles all the time, so that one is wanted when another is abandoned. What roots reach stays.
#[test]
fn cycles_that_are_abandoned_among_others() {
    const TURNS: usize = 300;
    // Most cycles are abandoned, and free nothing: where they are slow, under a sanitizer beside other work, garbage would fill the machine.
    const MOST: usize = 256 << 20;
    for barrier in CONCURRENT {
        let heap = common::heap(barrier, 2);
        let mut mutator = heap.attach();
        let root: Lists = mutator.enter(|mc| {
            let lists = Gc::slice_from_fn(mc, 500, |index| GcSlot::new(Some(list(mc, index))));
            Root::new(mc, lists)
        });
        let ask = || {
            (0..TURNS).for_each(|_| drop(catch_unwind(AssertUnwindSafe(|| heap.collect()))));
        };
        thread::scope(|scope| {
            let threads = [0, 1].map(|_| scope.spawn(ask));
            let mut turn = 0;
            while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
                turn += 1;
                let replaces = heap.stats().bytes_in_use < MOST;
                mutator.enter(|mc| {
                    for (index, slot) in root.get(mc).iter().enumerate() {
                        let links = core::iter::successors(slot.get(), |link| link.next);
                        let numbers = links.map(|link| link.number);
                        assert!(numbers.eq((0..100).rev()), "{barrier}");
                        if replaces && (index + turn) % 10 == 0 {
                            slot.set(mc, Some(list(mc, index)));
                        }
                    }
                });
                thread::yield_now();
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
        let stats = heap.stats();
        assert!(stats.cycles_abandoned > 0, "{barrier}: {stats}");
    }
}
