//! What a `trace` that is written by hand calls, and what its panics carry.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use common::{
    BARRIERS, Drops, PATIENCE, Token, begin_cycle, finish_cycle, heaps, long_list, panic_message,
    quiet_heap, tail_of, wait_until,
};
use tricolor_gc::{Barrier, Gc, GcMutex, GcRefCell, Heap, Mutator, Root, Rootable, Trace, Tracer};

/// Attaches to another heap while it is traced.
struct Nosy(Heap);

// SAFETY: no pointers into the heap are held; the call is what is tested.
unsafe impl Trace<'_> for Nosy {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        drop(self.0.attach());
        self.0.stats();
    }
}

#[test]
fn trace_may_use_another_heap() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let _root: Root<Rootable![Nosy]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, Nosy(Heap::new()))));
        assert_eq!(mutator.collect().objects_live, 1);
    }
}

/// Collects its own heap while it is traced.
struct Impatient(Heap);

// SAFETY: no pointers into the heap are held; the call is what is tested.
unsafe impl Trace<'_> for Impatient {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        self.0.collect();
    }
}

#[test]
fn a_collection_asked_for_by_trace_panics_with_the_reason() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let root: Root<Rootable![Impatient]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, Impatient(heap.clone()))));
        let text = panic_message(|| {
            mutator.collect();
        });
        assert!(
            text.contains("called from the destructor or the trace of an object"),
            "{text}"
        );
        // The object holds its own heap: let it go, or the heap never ends.
        drop(root);
        mutator.collect();
    }
}

thread_local! {
    /// Another mutator of the heap.
    static OTHER: RefCell<Option<Mutator>> = const { RefCell::new(None) };
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

/// Enters its own heap while it is traced, through another mutator of its thread.
struct Intruder;

// SAFETY: no pointers into the heap are held; the call is what is tested.
unsafe impl<'gc> Trace<'gc> for Intruder {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'gc>) {
        if ARMED.replace(false) {
            OTHER.with_borrow_mut(|other| other.as_mut().unwrap().enter(|_| ()));
        }
    }
}

/// A barrier that traces what a cell holds runs the program's code, as a marker does: it must not come back to the cell.
#[test]
fn a_trace_in_a_barrier_may_not_enter_its_heap() {
    type Kept<'gc> = common::Link<'gc, GcRefCell<Option<(Intruder, Gc<'gc, u8>)>>>;
    // Both trace what a cell held before.
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let root: Root<Rootable![Kept<'_>]> = mutator.enter(|mc| {
            let content = Some((Intruder, Gc::new(mc, 1)));
            Root::new(mc, long_list(mc, GcRefCell::new(content)))
        });
        OTHER.set(Some(heap.attach()));
        begin_cycle(&mut mutator);
        mutator.enter(|mc| {
            let cell = tail_of(root.get(mc));
            ARMED.set(true);
            let text = panic_message(|| drop(cell.borrow_mut(mc)));
            assert!(text.contains("the trace of an object"), "{barrier}: {text}");
        });
        OTHER.set(None);
        drop(root);
        mutator.collect();
    }
}

/// Contents without pointers, which says when it is traced.
struct Plain(Arc<AtomicUsize>);

// SAFETY: no pointers.
unsafe impl Trace<'_> for Plain {
    const NEEDS_TRACE: bool = false;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Such contents are written without a claim, so no marker may look at them, though the object around the cell is scanned.
#[test]
fn what_needs_no_trace_is_not_looked_at_in_a_cell() {
    type Kept<'gc> = (GcRefCell<Plain>, GcMutex<Plain>, Gc<'gc, u8>);
    for barrier in BARRIERS {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let traced = Arc::new(AtomicUsize::new(0));
        let _root: Root<Rootable![Kept<'_>]> = mutator.enter(|mc| {
            let plain = || Plain(traced.clone());
            let kept = (
                GcRefCell::new(plain()),
                GcMutex::new(plain()),
                Gc::new(mc, 1),
            );
            Root::new(mc, Gc::new(mc, kept))
        });
        assert_eq!(mutator.collect().objects_live, 2);
        assert_eq!(traced.load(Ordering::Relaxed), 0, "{barrier}");
    }
}

/// So does the scan of an old object whose pointers may have changed, with which a minor cycle begins.
#[test]
fn a_trace_of_an_old_object_may_not_enter_its_heap() {
    let heap = Heap::builder().marker_threads(0).min_heap(1 << 32);
    let mut mutator = heap.build().unwrap().attach();
    let _old: Root<Rootable![Intruder]> = mutator.enter(|mc| Root::new(mc, Gc::new(mc, Intruder)));
    mutator.collect();
    OTHER.set(Some(mutator.heap().attach()));
    ARMED.set(true);
    mutator.heap().account(1 << 40);
    mutator.heap().account(-(1 << 40));
    let cycle = finish_cycle(&mut mutator);
    OTHER.set(None);
    assert!(cycle.abandoned, "{cycle}");
    // Of a heap so small there are none without debug assertions.
    assert_eq!(cycle.minor, cfg!(debug_assertions));
}

/// Keeps whoever traces it.
struct Slow {
    traced: Arc<AtomicBool>,
    let_go: Arc<AtomicBool>,
}

// SAFETY: no pointers into the heap are held (T1, T3); atomics may be read while others write them (T2).
unsafe impl Trace<'_> for Slow {
    const DROP_IS_SEND: bool = true;
    const UNTIED: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        self.traced.store(true, Ordering::Release);
        while !self.let_go.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }
}

/// The memory that the marker reads must not go before it is out, and everything is dropped then.
#[test]
fn a_heap_that_goes_while_a_marker_traces_waits_for_it() {
    for barrier in BARRIERS {
        for markers in [1, 2] {
            let [traced, let_go] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
            let drops = Drops::new();
            let heap = Heap::builder().barrier(barrier).marker_threads(markers);
            let heap = heap.build().unwrap();
            let root: Root<Rootable!['gc => (Slow, Gc<'gc, Token>)]> = heap.attach().enter(|mc| {
                let (traced, let_go) = (traced.clone(), let_go.clone());
                let token = Gc::new(mc, drops.token());
                Root::new(mc, Gc::new(mc, (Slow { traced, let_go }, token)))
            });
            heap.account(1 << 40);
            wait_until("a marker is at the object", || {
                traced.load(Ordering::Acquire)
            });
            thread::scope(|scope| {
                let goes = scope.spawn(|| {
                    drop(heap);
                    (let_go.load(Ordering::Acquire), drops.count())
                });
                for _ in 0..100 {
                    thread::yield_now();
                    assert_eq!(drops.count(), 0, "{barrier} with {markers} markers");
                }
                let_go.store(true, Ordering::Release);
                assert_eq!(
                    goes.join().unwrap(),
                    (true, 1),
                    "{barrier} with {markers} markers"
                );
            });
            drop(root);
        }
    }
}

/// Counted; its destructor panics where it should not be dropped twice.
struct Payload(Token);

impl Drop for Payload {
    fn drop(&mut self) {
        let _ = &self.0;
        panic!("the payload's own panic");
    }
}

/// Panics with a payload whenever it is traced or dropped.
#[derive(Clone)]
struct Thrower(Drops, Arc<AtomicUsize>);

impl Thrower {
    fn throw(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        panic_any(Payload(self.0.token()));
    }
}

impl Drop for Thrower {
    fn drop(&mut self) {
        self.throw();
    }
}

// SAFETY: no pointers into the heap are held.
unsafe impl Trace<'_> for Thrower {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        self.throw();
    }
}

/// A panic of a destructor ends with it; of those of `trace` the first is for `collect`, or goes with the heap, and others with their cycle.
#[test]
fn what_a_panic_carries_is_dropped_whatever_its_destructor_does() {
    for barrier in BARRIERS {
        let (drops, thrown) = (Drops::new(), Arc::new(AtomicUsize::new(0)));
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let make = |_| {
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, Thrower(drops.clone(), thrown.clone()))))
        };
        let roots: Vec<Root<Rootable![Thrower]>> = (0..3).map(make).collect();
        while heap.stats().cycles_abandoned < 3 {
            let trigger = heap.stats().trigger as isize;
            mutator.enter(|mc| {
                mc.account(trigger);
                mc.account(-trigger);
            });
            let _ = mutator.step(1 << 20);
        }
        drop((roots, mutator, heap));
        let thrown = thrown.load(Ordering::SeqCst);
        assert!(thrown >= 6, "{barrier}: {thrown}");
        assert_eq!(drops.count(), thrown, "{barrier}");
    }
}

/// The last handle of a heap whose `trace` has panicked goes in a destructor on a background thread, and the payload with it.
#[test]
fn what_a_panic_carries_may_be_dropped_on_a_background_thread() {
    static LAST: Mutex<Option<Heap>> = Mutex::new(None);
    static GONE: AtomicBool = AtomicBool::new(false);

    #[derive(Trace)]
    #[trace(skip)]
    struct Keeper;

    impl Drop for Keeper {
        fn drop(&mut self) {
            let name = std::thread::current();
            let background = name
                .name()
                .is_some_and(|name| name.starts_with("tricolor-gc"));
            if !background {
                return;
            }
            let last = LAST.lock().unwrap().take();
            if let Some(heap) = last {
                while !GONE.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                drop(heap);
            }
        }
    }

    let (drops, thrown) = (Drops::new(), Arc::new(AtomicUsize::new(0)));
    let heap = Heap::builder()
        .barrier(Barrier::Hybrid)
        .marker_threads(1)
        .min_heap(1 << 16);
    let heap = heap.build().unwrap();
    let mut mutator = heap.attach();
    let root: Root<Rootable![Thrower]> =
        mutator.enter(|mc| Root::new(mc, Gc::new(mc, Thrower(drops.clone(), thrown.clone()))));
    let mut churn = |done: &dyn Fn() -> bool| {
        wait_until("a cycle has come by itself", || {
            mutator.enter(|mc| (0..1000).for_each(|_| _ = Gc::new(mc, Keeper)));
            done()
        });
    };
    churn(&|| heap.stats().cycles_abandoned > 0);
    drop(root);
    *LAST.lock().unwrap() = Some(heap.clone());
    churn(&|| LAST.lock().unwrap().is_none());
    drop((mutator, heap));
    GONE.store(true, Ordering::SeqCst);
    wait_until("the payloads are dropped", || {
        drops.count() >= 2 && drops.count() == thrown.load(Ordering::SeqCst)
    });
}

thread_local! {
    static SPARE: RefCell<Option<Mutator>> = const { RefCell::new(None) };
}

/// A payload that drops the spare mutator.
struct Detacher(Drops);

impl Drop for Detacher {
    fn drop(&mut self) {
        drop((SPARE.take(), self.0.token()));
    }
}

/// Panics at all visits but the first so many.
struct Detaching(Drops, AtomicUsize);

// SAFETY: no pointers into the heap are held.
unsafe impl Trace<'_> for Detaching {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        let left = &self.1;
        let calm = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if calm.is_err() {
            panic_any(Detacher(self.0.clone()));
        }
    }
}

/// Where `trace` runs all mutators may be held, one of the thread that drives too. (The second visit may be the verifier's.)
#[test]
fn what_a_panic_carries_may_drop_a_mutator() {
    for (barrier, calm) in BARRIERS.into_iter().flat_map(|b| [(b, 0), (b, 1)]) {
        let (tell, told) = channel();
        // It would wait for itself.
        thread::spawn(move || {
            let (heap, drops) = (quiet_heap(barrier), Drops::new());
            let mut mutator = heap.attach();
            SPARE.set(Some(heap.attach()));
            let _root: Root<Rootable![Detaching]> = mutator.enter(|mc| {
                let detaching = Detaching(drops.clone(), AtomicUsize::new(calm));
                Root::new(mc, Gc::new(mc, detaching))
            });
            // The first panic of a marker is for a `collect`.
            while drops.count() == 0 {
                let trigger = heap.stats().trigger as isize;
                heap.account(trigger);
                heap.account(-trigger);
                let _ = mutator.step(1 << 20);
            }
            let _ = tell.send(heap.stats().mutators);
        });
        assert_eq!(told.recv_timeout(PATIENCE), Ok(1), "{barrier}");
    }
}
