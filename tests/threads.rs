//! Many mutators on one heap: they come and go in any phase, share one graph, wait outside without delaying anybody.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier as Meeting, mpsc};
use std::thread;

use common::{
    BARRIERS, CONCURRENT, Drops, Token, begin_cycle, finish_cycle, heap, heaps, long_list,
    panic_message, quiet_heap, wait_until,
};
use tricolor_gc::{
    Barrier, Gc, GcMutex, GcRwLock, GcSlot, GcWeak, Heap, Mutation, Mutator, Root, Rootable,
    StepStatus, Trace,
};

/// A node of a graph that all mutators use.
#[derive(Trace)]
struct Shared<'gc> {
    value: u64,
    slot: GcSlot<Option<Gc<'gc, Shared<'gc>>>>,
    list: GcMutex<Vec<Gc<'gc, Shared<'gc>>>>,
    read: GcRwLock<Option<Gc<'gc, Shared<'gc>>>>,
}

const STAMP: u64 = 0x5afe_0b1e_c700_0000;

impl<'gc> Shared<'gc> {
    fn new(mc: &Mutation<'gc>, value: u64) -> Gc<'gc, Self> {
        Gc::new(
            mc,
            Shared {
                value: STAMP + value,
                slot: GcSlot::new(None),
                list: GcMutex::new(Vec::new()),
                read: GcRwLock::new(None),
            },
        )
    }

    fn check(&self) {
        assert_eq!(self.value & STAMP, STAMP, "an object has lost its contents");
    }
}

type SharedRoot = Root<Rootable![Shared<'_>]>;

/// One turn of a mutator on the shared graph.
fn work_on<'gc>(mc: &'gc Mutation<'gc>, top: Gc<'gc, Shared<'gc>>, turn: u64) {
    let new = Shared::new(mc, turn);
    new.slot.set(mc, top.slot.get());
    *new.read.write(mc) = *top.read.read();
    let old = top.slot.swap(mc, Some(new));
    let mut list = top.list.lock(mc);
    list.extend(old);
    if list.len() > 20 {
        list.drain(..10);
    }
    let first = list.first().copied();
    drop(list);
    *top.read.write(mc) = first;
    // Read through everything that others have stored.
    let mut seen = top.slot.get();
    for _ in 0..30 {
        let Some(node) = seen else { break };
        node.check();
        seen = node.slot.get();
    }
    if let Some(node) = *top.read.read() {
        node.check();
        node.list.lock(mc).push(new);
    }
    for node in top.list.lock(mc).iter() {
        node.check();
    }
    if turn.is_multiple_of(16) {
        // Cut the chain, or it would keep everything.
        new.slot.set(mc, None);
        new.read.write(mc).take();
    }
}

fn share_one_graph(barrier: Barrier, markers: usize) {
    let heap = Heap::builder()
        .barrier(barrier)
        .marker_threads(markers)
        .min_heap(256 << 10)
        .build()
        .unwrap();
    let root: SharedRoot = heap.attach().enter(|mc| Root::new(mc, Shared::new(mc, 0)));
    thread::scope(|scope| {
        for thread in 0..3 {
            let (heap, root) = (&heap, &root);
            scope.spawn(move || {
                let mut mutator = heap.attach();
                for turn in 0..1500 {
                    mutator.enter(|mc| work_on(mc, root.get(mc), turn * 3 + thread));
                }
            });
        }
        for _ in 0..5 {
            heap.collect();
        }
    });
    assert!(heap.stats().cycles >= 5);
    drop(root);
    let cycle = heap.collect();
    assert_eq!(cycle.objects_live, 0, "{cycle}");
}

#[test]
fn mutators_share_one_graph_under_insertion() {
    (0..3).for_each(|markers| share_one_graph(Barrier::Insertion, markers));
}

#[test]
fn mutators_share_one_graph_under_deletion() {
    (0..3).for_each(|markers| share_one_graph(Barrier::Deletion, markers));
}

#[test]
fn mutators_share_one_graph_under_hybrid() {
    (0..3).for_each(|markers| share_one_graph(Barrier::Hybrid, markers));
}

#[test]
fn mutators_share_one_graph_and_stop_for_marking() {
    (0..3).for_each(|markers| share_one_graph(Barrier::StopTheWorld, markers));
}

#[test]
fn a_parked_mutator_delays_nobody() {
    for barrier in BARRIERS {
        for markers in [0, 1] {
            let heap = heap(barrier, markers);
            let (parked, done) = (Meeting::new(2), Meeting::new(2));
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut mutator = heap.attach();
                    mutator.enter(|mc| {
                        Gc::new(mc, String::from("garbage"));
                    });
                    parked.wait();
                    // Outside, for longer than the cycles of the other thread take.
                    done.wait();
                });
                parked.wait();
                let mut mutator = heap.attach();
                for _ in 0..10 {
                    mutator.collect();
                }
                assert_eq!(heap.stats().objects_freed, 1, "{barrier}");
                done.wait();
            });
        }
    }
}

#[test]
fn a_cycle_ends_while_its_only_mutator_does_nothing() {
    for barrier in BARRIERS {
        let heap = heap(barrier, 1);
        let mut mutator = heap.attach();
        mutator.enter(|mc| {
            // Asks for a cycle, and is not there to see it.
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        wait_until("the cycle has ended", || heap.stats().cycles > 0);
    }
}

#[test]
fn mutators_attach_and_detach_in_every_phase() {
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut driver = heap.attach();
        let drops = Drops::new();
        type Kept = Rootable![GcMutex<Vec<Gc<'_, Token>>>];
        let (list, kept): (Root<Rootable![common::Link<'_, u8>]>, Root<Kept>) =
            driver.enter(|mc| {
                let list = Root::new(mc, long_list(mc, 0));
                (list, Root::new(mc, Gc::new(mc, GcMutex::new(Vec::new()))))
            });
        begin_cycle(&mut driver);
        let mut attached = 0;
        let mut visit = |heap: &Heap| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut guest = heap.attach();
                    guest.enter(|mc| {
                        let token = Gc::new(mc, drops.token());
                        kept.get(mc).lock(mc).push(token);
                    });
                });
            });
            attached += 1;
        };
        // The guests take steps too when they leave; whoever takes the last one.
        let cycles = heap.stats().cycles;
        while heap.stats().cycles == cycles {
            let _ = driver.step(4 << 10);
            visit(&heap);
        }
        visit(&heap);
        assert!(attached > 3, "{barrier}: {attached} guests only");
        driver.collect();
        assert_eq!(drops.count(), 0, "{barrier}");
        driver.enter(|mc| assert_eq!(kept.get(mc).lock(mc).len(), attached));
        assert_eq!(heap.stats().mutators, 1);
        drop(list);
        drop(kept);
        driver.collect();
        assert_eq!(drops.count(), attached, "{barrier}");
    }
}

#[test]
fn threads_that_come_and_go_under_running_cycles() {
    for heap in heaps() {
        let stop = AtomicBool::new(false);
        let entered = AtomicUsize::new(0);
        let root: SharedRoot = heap.attach().enter(|mc| Root::new(mc, Shared::new(mc, 0)));
        thread::scope(|scope| {
            let collector = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    heap.collect();
                }
            });
            for _ in 0..25 {
                thread::scope(|inner| {
                    for turn in 0..2 {
                        let (heap, root, entered) = (&heap, &root, &entered);
                        inner.spawn(move || {
                            let mut mutator = heap.attach();
                            for _ in 0..5 {
                                mutator.enter(|mc| work_on(mc, root.get(mc), turn));
                                entered.fetch_add(1, Ordering::Relaxed);
                            }
                        });
                    }
                });
            }
            stop.store(true, Ordering::Relaxed);
            // ThreadSanitizer sees a join, and not the end of a scope, which is in compiled std.
            collector.join().unwrap();
        });
        assert_eq!(entered.load(Ordering::Relaxed), 250);
        assert_eq!(heap.stats().mutators, 0);
    }
}

#[test]
fn two_threads_ask_for_a_cycle_at_once() {
    for heap in heaps() {
        let (start, drops) = (Meeting::new(2), Drops::new());
        thread::scope(|scope| {
            let threads = [(); 2].map(|()| {
                scope.spawn(|| {
                    let mut mutator = heap.attach();
                    for round in 0..30 {
                        mutator.enter(|mc| {
                            Gc::new(mc, drops.token());
                        });
                        start.wait();
                        let cycle = mutator.collect();
                        assert!(cycle.cycle > round);
                        start.wait();
                        assert_eq!(drops.count() as u64, 2 * (round + 1));
                        start.wait();
                    }
                })
            });
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}

#[test]
fn collect_inside_enter_of_the_same_heap_says_why_it_cannot() {
    for heap in heaps() {
        let mut outer = heap.attach();
        let mut inner = heap.attach();
        let text = panic_message(|| outer.enter(|_| inner.collect()));
        assert!(
            text.contains("Mutator::collect called while this thread is inside"),
            "{text}"
        );
        let text = panic_message(|| outer.enter(|_| heap.collect()));
        assert!(
            text.contains("Heap::collect called while this thread is inside"),
            "{text}"
        );
        let text = panic_message(|| outer.enter(|_| inner.step(1)));
        assert!(
            text.contains("Mutator::step called while this thread is inside"),
            "{text}"
        );
        // Another heap is no obstacle, and nothing is broken.
        let other = Heap::new();
        outer.enter(|_| other.collect());
        inner.collect();
    }
}

#[test]
fn two_mutators_of_one_thread_may_be_inside_at_once() {
    for heap in heaps() {
        let (mut outer, mut inner) = (heap.attach(), heap.attach());
        for _ in 0..50 {
            outer.enter(|mc| {
                let kept = Gc::new(mc, String::from("outer"));
                for _ in 0..100 {
                    inner.enter(|mc| {
                        let text = Gc::new(mc, String::from("inner"));
                        assert_eq!(*text, "inner");
                    });
                }
                assert_eq!(*kept, "outer");
            });
        }
        outer.collect();
        assert_eq!(heap.stats().objects_live, 0);
    }
}

#[test]
fn a_mutator_that_stays_inside_is_asked_to_yield() {
    for barrier in BARRIERS {
        let heap = heap(barrier, 1);
        let (inside, ended) = (Meeting::new(2), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut mutator = heap.attach();
                mutator.enter(|mc| {
                    inside.wait();
                    wait_until("somebody asks", || mc.should_yield());
                    assert!(!ended.load(Ordering::SeqCst), "the cycle has not waited");
                });
            });
            inside.wait();
            heap.collect();
            ended.store(true, Ordering::SeqCst);
        });
    }
}

#[test]
fn a_heap_is_dropped_while_it_marks() {
    for barrier in BARRIERS {
        for markers in [0, 1, 2] {
            let drops = Drops::new();
            let heap = heap(barrier, markers);
            let mut mutator = heap.attach();
            let root: Root<Rootable![common::Link<'_, Token>]> = mutator.enter(|mc| {
                let root = Root::new(mc, long_list(mc, drops.token()));
                mc.account(1 << 40);
                root
            });
            drop(mutator);
            drop(heap);
            assert_eq!(drops.count(), 1, "{barrier} with {markers} markers");
            drop(root);
        }
    }
}

#[test]
fn the_last_handle_may_go_on_any_thread() {
    for barrier in BARRIERS {
        let drops = Drops::new();
        let heap = heap(barrier, 1);
        heap.attach().enter(|mc| {
            Gc::new(mc, drops.token());
        });
        let (send, receive) = mpsc::channel();
        send.send(heap).unwrap();
        thread::spawn(move || drop(receive.recv().unwrap()))
            .join()
            .unwrap();
        assert_eq!(drops.count(), 1, "{barrier}");
    }
}

#[derive(Trace)]
struct Made<'gc> {
    me: GcWeak<'gc, Made<'gc>>,
    _token: Token,
}

/// Is inside from the first meeting to the second.
fn stay_inside(mutator: &mut Mutator, entered: &Meeting, leave: &Meeting) {
    mutator.enter(|_| {
        entered.wait();
        leave.wait();
    });
}

/// The straggler `A` holds the second handshake of the Hybrid barrier up while `B`, already black, is in the middle of
/// making an object; when `A` leaves, the colour of new objects changes under `B`'s hands.
#[test]
fn an_object_in_the_making_survives_a_change_of_colours() {
    let heap = quiet_heap(Barrier::Hybrid);
    let mut driver = heap.attach();
    let drops = Drops::new();
    type Kept = Rootable![GcMutex<Option<Gc<'_, Made<'_>>>>];
    let kept: Root<Kept> = driver.enter(|mc| Root::new(mc, Gc::new(mc, GcMutex::new(None))));
    let list: Root<Rootable![common::Link<'_, u8>]> =
        driver.enter(|mc| Root::new(mc, long_list(mc, 0)));
    let [a_in, a_out, a_back, c_in, c_gone, b_in, marking, b_done] =
        [(); 8].map(|()| Meeting::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut a = heap.attach();
            stay_inside(&mut a, &a_in, &a_out);
            // The last to arm: this turns the first handshake into the second.
            a.enter(|_| a_back.wait());
        });
        a_in.wait();
        driver.enter(|mc| {
            mc.account(1 << 40);
            mc.account(-(1 << 40));
        });
        assert_eq!(driver.step(1), StepStatus::Waiting, "for A to be armed");
        scope.spawn(|| {
            // Armed from the start, and inside until the second handshake is asked.
            stay_inside(&mut heap.attach(), &c_in, &c_gone);
        });
        c_in.wait();
        a_out.wait();
        a_back.wait();
        assert_eq!(driver.step(1), StepStatus::Waiting, "for C to be black");
        scope.spawn(|| {
            let mut b = heap.attach();
            b.enter(|mc| {
                let made = Gc::new_cyclic(mc, |me| {
                    b_in.wait();
                    marking.wait();
                    // Polls, and learns that new objects are black now.
                    Gc::new(mc, vec![1]);
                    Made {
                        me,
                        _token: drops.token(),
                    }
                });
                *kept.get(mc).lock(mc) = Some(made);
            });
            b_done.wait();
        });
        b_in.wait();
        c_gone.wait();
        while driver.step(1) == StepStatus::Waiting {}
        marking.wait();
        b_done.wait();
        finish_cycle(&mut driver);
    });
    assert_eq!(drops.count(), 0, "freed although the root reaches it");
    driver.enter(|mc| {
        let made = kept.get(mc).lock(mc).unwrap();
        assert!(Gc::ptr_eq(made.me.upgrade(mc).unwrap(), made));
    });
    drop((list, kept));
}

#[test]
fn mutators_that_come_and_go_at_once_are_all_counted() {
    const STAY: usize = 300;
    let heap = Heap::new();
    let stay: Vec<Mutator> = (0..STAY).map(|_| heap.attach()).collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| drop(heap.attach())));
        }
    });
    assert_eq!(heap.stats().mutators, STAY);
    drop(stay);
    assert_eq!(heap.stats().mutators, 0);
}
