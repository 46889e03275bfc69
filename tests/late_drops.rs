//! Destructors that wait for their thread, and those that run when the heap goes.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;

use common::{CONCURRENT, Drops, Token, begin_cycle, heaps, message_of, panic_message, quiet_heap};
use tricolor_gc::{Gc, Heap, Mutation, Mutator, Root, Rootable, StepStatus, Trace};

/// Counts its destructor, which must run at home.
#[derive(Trace)]
#[trace(skip)]
struct AtHome(Rc<Cell<usize>>);

impl Drop for AtHome {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// In a span of its own.
#[derive(Trace)]
struct LargeAtHome {
    _at_home: AtHome,
    _room: [u64; 10_000],
}

impl LargeAtHome {
    fn make(mc: &Mutation<'_>, count: &Rc<Cell<usize>>) {
        let _at_home = AtHome(count.clone());
        let _room = [0; 10_000];
        Gc::new(mc, LargeAtHome { _at_home, _room });
    }
}

fn make_at_home(mutator: &mut Mutator, count: &Rc<Cell<usize>>) {
    mutator.enter(|mc| {
        for _ in 0..10 {
            Gc::new(mc, AtHome(count.clone()));
        }
    });
}

/// A cycle that another thread waits for.
fn collect_elsewhere(heap: &Heap) {
    thread::scope(|scope| scope.spawn(|| heap.collect()).join().unwrap());
}

/// The thread has no mutator any more when another one finds its objects dead.
#[test]
fn destructors_that_wait_run_when_the_heap_goes() {
    for heap in heaps() {
        let count = Rc::new(Cell::new(0));
        make_at_home(&mut heap.attach(), &count);
        collect_elsewhere(&heap);
        assert_eq!(count.get(), 0, "{}", heap.barrier());
        drop(heap);
        assert_eq!(count.get(), 10);
    }
}

/// A thread that is a mutator for each of its tasks, and cycles between them.
#[test]
fn destructors_that_wait_run_when_their_thread_is_a_mutator_again() {
    for heap in heaps() {
        let count = Rc::new(Cell::new(0));
        make_at_home(&mut heap.attach(), &count);
        collect_elsewhere(&heap);
        assert_eq!(count.get(), 0, "{}", heap.barrier());
        assert_eq!(heap.stats().drops_leaked, 0, "their thread lives");
        let mut mutator = heap.attach();
        mutator.enter(|_| ());
        assert_eq!(count.get(), 10, "{}", heap.barrier());
    }
}

/// A large object has a span of its own, which must say whose it is as well.
#[test]
fn large_objects_wait_for_their_thread_too() {
    for heap in heaps() {
        let count = Rc::new(Cell::new(0));
        let mut mutator = heap.attach();
        mutator.enter(|mc| LargeAtHome::make(mc, &count));
        mutator.enter(|mc| Gc::slice_from_fn(mc, 10_000, |_| AtHome(count.clone())).len());
        collect_elsewhere(&heap);
        assert_eq!(count.get(), 0, "{}", heap.barrier());
        mutator.enter(|_| ());
        assert_eq!(count.get(), 10_001, "{}", heap.barrier());
    }
}

/// Once it has been dropped at home its slot, or its span, is free for others.
#[test]
fn what_was_dropped_at_home_gives_its_memory_back() {
    for barrier in CONCURRENT {
        let (heap, count) = (quiet_heap(barrier), Rc::new(Cell::new(0)));
        let mut mutator = heap.attach();
        let mut in_use = Vec::new();
        for round in 1..=5 {
            mutator.enter(|mc| {
                for _ in 0..10_000 {
                    Gc::new(mc, AtHome(count.clone()));
                }
                for _ in 0..10 {
                    LargeAtHome::make(mc, &count);
                }
            });
            in_use.push(heap.stats().bytes_in_use);
            collect_elsewhere(&heap);
            mutator.enter(|_| ());
            assert_eq!(count.get(), round * 10_010, "{barrier}");
            mutator.collect();
        }
        let grown = in_use[4].saturating_sub(in_use[1]);
        assert!(grown < in_use[0] / 2, "{barrier}: {in_use:?}");
    }
}

/// The sweep sends them while the thread is inside, and it leaves by a panic: they run when it comes again.
#[test]
fn destructors_that_wait_are_not_forgotten_in_a_panic() {
    for barrier in CONCURRENT {
        let (heap, count) = (quiet_heap(barrier), Rc::new(Cell::new(0)));
        let mut mutator = heap.attach();
        make_at_home(&mut mutator, &count);
        let step = || heap.attach().step(1 << 30);
        let begin = || {
            let trigger = heap.stats().trigger;
            heap.attach().enter(|mc| mc.account(trigger as isize));
        };
        mutator.enter(|_| thread::scope(|scope| scope.spawn(begin).join().unwrap()));
        while heap.stats().cycles == 0 {
            let text = panic_message(|| {
                mutator.enter(|_| {
                    thread::scope(|scope| {
                        while scope.spawn(step).join().unwrap() == StepStatus::InProgress {}
                    });
                    panic!("out of the heap");
                })
            });
            assert_eq!(text, "out of the heap", "{barrier}");
        }
        assert_eq!(count.get(), 0, "{barrier}: the thread was inside");
        mutator.enter(|_| ());
        assert_eq!(count.get(), 10, "{barrier}");
    }
}

#[test]
fn what_was_dropped_at_home_is_not_dropped_when_the_heap_goes() {
    for heap in heaps() {
        let count = Rc::new(Cell::new(0));
        let mut mutator = heap.attach();
        make_at_home(&mut mutator, &count);
        mutator.collect();
        assert_eq!(count.get(), 10, "{}", heap.barrier());
        drop(mutator);
        drop(heap);
        assert_eq!(count.get(), 10);
    }
}

/// With large objects and small ones, and a heap that goes after any number of steps.
#[test]
fn a_heap_that_goes_in_the_middle_of_a_sweep_drops_everything() {
    const OBJECTS: usize = 20;
    #[derive(Trace)]
    struct Large(Token, [u64; 10_000]);
    for barrier in CONCURRENT {
        for steps in 0..60 {
            let heap = quiet_heap(barrier);
            let drops = Drops::new();
            let mut mutator = heap.attach();
            let roots: Vec<(Root<Rootable![Large]>, Root<Rootable![Token]>)> = (0..OBJECTS)
                .map(|_| {
                    mutator.enter(|mc| {
                        let large = Gc::new(mc, Large(drops.token(), [0; 10_000]));
                        let small = Gc::new(mc, drops.token());
                        (Root::new(mc, large), Root::new(mc, small))
                    })
                })
                .collect();
            begin_cycle(&mut mutator);
            let over = (0..steps).any(|_| mutator.step(64 << 10) == StepStatus::Completed);
            drop((roots, mutator));
            drop(heap);
            assert_eq!(drops.count(), 2 * OBJECTS, "{barrier}, {steps} steps");
            if over {
                break;
            }
        }
    }
}

thread_local! {
    static KEPT: RefCell<Option<Mutator>> = const { RefCell::new(None) };
}

/// Goes into its heap when it is dropped, and keeps what that says.
#[derive(Trace)]
#[trace(skip)]
struct ComesBack(Rc<RefCell<String>>);

impl Drop for ComesBack {
    fn drop(&mut self) {
        let enter = || KEPT.with(|kept| kept.borrow_mut().as_mut().unwrap().enter(|_| {}));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(enter)) {
            *self.0.borrow_mut() = message_of(&*panic);
        }
    }
}

#[test]
fn a_destructor_at_home_that_comes_back_to_its_heap_panics() {
    for heap in heaps() {
        KEPT.with(|kept| *kept.borrow_mut() = Some(heap.attach()));
        let said = Rc::new(RefCell::new(String::new()));
        let mut mutator = heap.attach();
        mutator.enter(|mc| {
            Gc::new(mc, ComesBack(said.clone()));
        });
        mutator.collect();
        mutator.enter(|_| ());
        KEPT.with(|kept| kept.borrow_mut().take());
        let said = said.borrow();
        assert!(
            said.starts_with("enter called from the destructor"),
            "{}: {said:?}",
            heap.barrier()
        );
    }
}

/// Collects when it goes.
struct CollectsLate(RefCell<Option<Mutator>>);

impl Drop for CollectsLate {
    fn drop(&mut self) {
        self.0.get_mut().take().unwrap().collect();
    }
}

thread_local! {
    static LATE: CollectsLate = const { CollectsLate(RefCell::new(None)) };
}

/// What the library keeps for a thread may have gone by then.
#[test]
fn a_destructor_that_comes_back_while_its_thread_ends_panics() {
    for heap in heaps() {
        let said = Arc::new(Mutex::new(String::new()));
        let (handle, text) = (heap.clone(), said.clone());
        let thread = thread::spawn(move || {
            // The first to be used is the last to go.
            LATE.with(|_| ());
            let mut mutator = handle.attach();
            mutator.enter(|mc| {
                let own = handle.clone();
                Gc::new(mc, EntersOwn(own, text));
            });
            LATE.with(|late| *late.0.borrow_mut() = Some(mutator));
        });
        thread.join().unwrap();
        heap.collect();
        let said = said.lock().unwrap();
        assert!(
            said.starts_with("Heap::attach called from the destructor"),
            "{}: {said:?}",
            heap.barrier()
        );
    }
}

/// Attaches to its heap when it is dropped, and keeps what that says.
#[derive(Trace)]
#[trace(skip)]
struct EntersOwn(Heap, Arc<Mutex<String>>);

impl Drop for EntersOwn {
    fn drop(&mut self) {
        let attach = || drop(self.0.attach());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(attach)) {
            *self.1.lock().unwrap() = message_of(&*panic);
        }
    }
}

/// The last boundary of a thread is where its mutator goes.
#[test]
fn destructors_that_wait_run_where_a_mutator_goes() {
    for heap in heaps() {
        let count = Rc::new(Cell::new(0));
        let mut mutator = heap.attach();
        make_at_home(&mut mutator, &count);
        collect_elsewhere(&heap);
        assert_eq!(count.get(), 0, "{}", heap.barrier());
        drop(mutator);
        assert_eq!(count.get(), 10, "{}", heap.barrier());
    }
}

/// A boundary of any of a thread's mutators is one of the thread.
#[test]
fn destructors_that_wait_run_whichever_mutator_their_thread_enters() {
    for heap in heaps() {
        let count = Rc::new(Cell::new(0));
        let mut mutators = [heap.attach(), heap.attach()];
        for entered in [0, 1] {
            make_at_home(&mut mutators[0], &count);
            collect_elsewhere(&heap);
            assert_eq!(count.get(), 0, "{}", heap.barrier());
            mutators[entered].enter(|_| ());
            assert_eq!(count.replace(0), 10, "{}, {entered}", heap.barrier());
        }
    }
}

/// Though it has opened its letters before.
#[test]
fn what_waits_for_a_thread_that_lives_has_not_leaked() {
    for heap in heaps() {
        let count = Rc::new(Cell::new(0));
        let mut mutator = heap.attach();
        for _ in 0..2 {
            make_at_home(&mut mutator, &count);
            collect_elsewhere(&heap);
            assert_eq!(heap.stats().drops_leaked, 0, "{}", heap.barrier());
            mutator.enter(|_| ());
        }
        assert_eq!(count.get(), 20, "{}", heap.barrier());
    }
}

/// Steps of another thread, as long as `goes_on` says.
fn steps_elsewhere(heap: &Heap, goes_on: impl Fn(StepStatus) -> bool + Send) {
    let steps = move || {
        let mut mutator = heap.attach();
        while goes_on(mutator.step(1)) {}
    };
    thread::scope(|scope| scope.spawn(steps).join().unwrap());
}

/// A mutator that goes, or is entered and left, while its thread is inside another one is at no boundary.
#[test]
fn destructors_that_wait_do_not_run_inside_another_mutator() {
    for barrier in CONCURRENT {
        let (heap, drops, count) = (quiet_heap(barrier), Drops::new(), Rc::new(Cell::new(0)));
        let (mut outer, mut inner) = (heap.attach(), heap.attach());
        outer.enter(|mc| _ = Gc::new(mc, drops.token()));
        make_at_home(&mut outer, &count);
        heap.account(1 << 40);
        heap.account(-(1 << 40));
        // To the first span of the sweep: the others are swept when this thread is inside.
        steps_elsewhere(&heap, |_| drops.count() == 0);
        outer.enter(|mc| {
            steps_elsewhere(&heap, |status| status != StepStatus::Completed);
            inner.enter(|_| ());
            assert_eq!(count.get(), 0, "{barrier}");
            inner.enter(|mc| assert!(!mc.should_yield(), "it is the other that is waited for"));
            assert!(mc.should_yield(), "{barrier}");
            drop(inner);
            assert_eq!(count.get(), 0, "{barrier}");
        });
        assert_eq!(count.get(), 10, "{barrier}");
    }
}

/// Spans that are full of what never changes are on a list of their own, which only full cycles look through.
#[test]
fn a_heap_that_goes_drops_what_is_in_full_spans() {
    for heap in heaps() {
        let drops = Drops::new();
        let mut mutator = heap.attach();
        let root: Root<Rootable![Vec<Gc<'_, Token>>]> = mutator.enter(|mc| {
            let tokens = (0..5000).map(|_| Gc::new(mc, drops.token())).collect();
            Root::new(mc, Gc::new(mc, tokens))
        });
        mutator.collect();
        mutator.enter(|mc| assert_eq!(root.get(mc).len(), 5000));
        assert_eq!(drops.count(), 0, "{}", heap.barrier());
        drop((mutator, heap));
        assert_eq!(drops.count(), 5000);
    }
}

/// What nobody will ever open is counted as long as the heap lives, however many threads come and go.
#[test]
fn what_is_leaked_stays_counted() {
    let heap = quiet_heap(CONCURRENT[0]);
    let make = || make_at_home(&mut heap.attach(), &Rc::default());
    thread::scope(|scope| scope.spawn(make).join().unwrap());
    heap.collect();
    assert_eq!(heap.stats().drops_leaked, 10);
    (0..300).for_each(|_| {
        thread::scope(|scope| scope.spawn(|| drop(heap.attach())).join().unwrap());
    });
    assert_eq!(heap.stats().drops_leaked, 10);
}

/// Makes objects of its own in a heap of its own when it goes, and counts how many are dropped.
struct WorksLate(Option<Arc<Mutex<usize>>>);

impl Drop for WorksLate {
    fn drop(&mut self) {
        let Some(dropped) = self.0.take() else { return };
        let count = Rc::new(Cell::new(0));
        let heap = quiet_heap(CONCURRENT[0]);
        for _ in 0..2 {
            make_at_home(&mut heap.attach(), &count);
        }
        let mut mutator = heap.attach();
        mutator.collect();
        make_at_home(&mut mutator, &count);
        drop((mutator, heap));
        *dropped.lock().unwrap() = count.get();
    }
}

thread_local! {
    static WORKS_LATE: RefCell<WorksLate> = const { RefCell::new(WorksLate(None)) };
}

/// The thread is the same all the time, whatever of it has gone.
#[test]
fn a_thread_that_ends_drops_what_it_made_while_it_ends() {
    let dropped = Arc::new(Mutex::new(0));
    let late = dropped.clone();
    let thread = thread::spawn(move || {
        // The first to be used is the last to go.
        WORKS_LATE.with(|works| works.borrow_mut().0 = Some(late));
        make_at_home(&mut Heap::new().attach(), &Rc::default());
    });
    thread.join().unwrap();
    assert_eq!(*dropped.lock().unwrap(), 30);
}
