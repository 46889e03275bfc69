//! Runs a model: explores it, collects what it finds wrong, counts executions.

use core::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Instant;

use crate::cycle::core::{Core, Phase};
use crate::cycle::driver::Advance;
use crate::mark::batch::Way;
use crate::mark::batch::tests::with_way;
use crate::sync::twin::{self, Twin};
use crate::sync::watched::{self, violation};
use crate::sync::witness::Witness;
use crate::sync::{Arc, relax, thread};
use crate::{Barrier, Heap, Mutation, Mutator};

/// Objects in a model at most.
const OBJECTS: usize = 12;

// Coroutines of one thread of the machine run a model, so a thread-local is the model's.
std::thread_local! {
    static FREED: Cell<[bool; OBJECTS]> = const { Cell::new([false; OBJECTS]) };
    static STORED: Cell<Option<usize>> = const { Cell::new(None) };
    static GRAVES: RefCell<Vec<Rc<Witness>>> = const { RefCell::new(Vec::new()) };
    static TRACE_PANICS: Cell<bool> = const { Cell::new(false) };
    static EXECUTIONS: Cell<u64> = const { Cell::new(0) };
    static POINT: RefCell<Option<Rc<loom::sync::atomic::AtomicBool>>> = const { RefCell::new(None) };
}

/// A destructor has run.
pub(super) fn note_freed(number: usize) {
    let mut freed = FREED.get();
    if core::mem::replace(&mut freed[number], true) {
        violation(format!("object {number} was freed twice"));
    }
    FREED.set(freed);
    grave(number).write();
}

fn grave(number: usize) -> Rc<Witness> {
    GRAVES.with_borrow(|graves| graves[number].clone())
}

/// Whether an object has been freed.
pub(super) fn is_freed(number: usize) -> bool {
    FREED.get()[number]
}

/// The program holds a pointer to this object.
pub(super) fn must_live(number: usize) -> bool {
    let freed = is_freed(number);
    if freed {
        violation(format!(
            "object {number} was freed while a pointer to it was in use"
        ));
    }
    !freed
}

/// The object was garbage before the cycle was armed.
pub(super) fn must_be_freed(number: usize) {
    if !is_freed(number) {
        violation(format!("object {number} was garbage and is still there"));
    }
    // What its destructor did is seen.
    grave(number).read();
}

/// A [`Fuse`](super::objects::Fuse) panics when it is traced, or not.
pub(super) fn trace_panics(panics: bool) {
    TRACE_PANICS.set(panics);
}

/// What a `trace` may do.
pub(super) fn panic_if_told() {
    if TRACE_PANICS.get() {
        std::panic::resume_unwind(Box::new("told to panic"));
    }
}

/// The program has put the object where only a later cycle looks.
pub(super) fn note_stored(number: usize) {
    STORED.set(Some(number));
}

/// If that came to pass, it must be there.
pub(super) fn stored_must_live(number: usize) {
    if STORED.get() == Some(number) {
        must_live(number);
    }
}

/// Runs an access that loom watches and notes a race.
pub(super) fn catch_race(access: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(access)) {
        let text = panic
            .downcast_ref::<String>()
            .map_or("a race", String::as_str);
        violation(text.to_owned());
    }
}

/// A point where loom may switch threads, dependent on all others of its kind. Between a marker's reads, and in programs: loom
/// takes a store that follows the same thread's load of an atomic for independent of what others read before that load.
pub(super) fn switch_point() {
    let point = POINT.with(|p| p.borrow().clone());
    if let Some(point) = point {
        point.fetch_or(true, crate::sync::atomic::Ordering::Relaxed);
    }
}

/// How far a model is explored.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    /// Switches away from a thread that could go on.
    pub(super) preemptions: usize,
}

/// As many as the model says, and what `LOOM_EXTRA_PREEMPTIONS` adds, but no more than `LOOM_MAX_PREEMPTIONS`.
fn preemptions(bound: Bound) -> usize {
    let number = |name| Some(std::env::var(name).ok()?.parse().expect("a number"));
    let extra = number("LOOM_EXTRA_PREEMPTIONS").unwrap_or(0);
    let most = number("LOOM_MAX_PREEMPTIONS").unwrap_or(usize::MAX);
    (bound.preemptions + extra).min(most)
}

/// Explores `model`, and panics if an execution does something wrong.
fn explore(bound: Bound, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions(bound));
    builder.max_branches = 100_000;
    builder.expect_explicit_explore = true;
    EXECUTIONS.set(0);
    builder.check(move || {
        EXECUTIONS.set(EXECUTIONS.get() + 1);
        FREED.set([false; OBJECTS]);
        GRAVES.set((0..OBJECTS).map(|_| Rc::default()).collect());
        watched::prepare();
        STORED.set(None);
        trace_panics(false);
        POINT.set(Some(Rc::new(loom::sync::atomic::AtomicBool::new(false))));
        crate::sync::prepare(24);
        model();
        loom::stop_exploring();
        POINT.set(None);
        if let Some(what) = watched::take_violation() {
            panic!("violation: {what}");
        }
    });
}

/// A program that is run on every interleaving.
pub(super) struct Model {
    pub(super) name: String,
    bound: Bound,
    program: Arc<dyn Fn() + Send + Sync>,
}

/// A model; `name` is what the table in `SAFETY.md` calls it.
pub(super) fn model(
    name: String,
    bound: Bound,
    program: impl Fn() + Send + Sync + 'static,
) -> Model {
    let program = Arc::new(program);
    Model {
        name,
        bound,
        program,
    }
}

impl Model {
    /// The same with objects marked in batches before they are scanned.
    pub(super) fn in_batches(self) -> Model {
        let program = move || with_way(Way::Marks, || (self.program)());
        model(format!("{}, in batches", self.name), self.bound, program)
    }

    fn explore(&self) {
        let program = self.program.clone();
        explore(self.bound, move || program());
    }

    /// The code as it ships is safe on every execution.
    pub(super) fn holds(&self) {
        let began = Instant::now();
        twin::with(None, || self.explore());
        println!(
            "LOOM {} | safe | {} executions | {:.1?}",
            self.name,
            EXECUTIONS.get(),
            began.elapsed()
        );
        for site in relax::take_sites() {
            println!("SITE {site} | {}", self.name);
        }
    }

    /// Whether loom finds a violation, in the code as a twin or as it ships, and what it says.
    pub(super) fn finds(&self, twin: Option<Twin>) -> Option<String> {
        let result = twin::with(twin, || catch_unwind(AssertUnwindSafe(|| self.explore())));
        let panic = result.err()?;
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("");
        Some(text.lines().next().unwrap_or("").to_owned())
    }

    /// loom finds a violation in the twin.
    pub(super) fn catches(&self, twin: Twin) {
        let began = Instant::now();
        let Some(text) = self.finds(Some(twin)) else {
            panic!(
                "{}: {twin:?} was not caught in {} executions",
                self.name,
                EXECUTIONS.get()
            );
        };
        println!(
            "LOOM {} | {twin:?} caught | {} executions | {:.1?} | {text}",
            self.name,
            EXECUTIONS.get(),
            began.elapsed()
        );
    }
}

/// Each of the models is safe.
pub(super) fn hold(models: Vec<Model>) {
    models.iter().for_each(Model::holds);
}

/// A twin, and the model that finds what is wrong with it.
pub(super) type Caught = (&'static str, Twin);

/// Each twin is caught by its model.
pub(super) fn are_caught(models: &[Model], twins: &[Caught]) {
    for (name, twin) in twins {
        let model = models.iter().find(|model| model.name == *name);
        let model = model.unwrap_or_else(|| panic!("there is no model `{name}`"));
        model.catches(*twin);
    }
}

/// Every barrier, and none.
pub(super) const EVERY: [Barrier; 4] = [
    Barrier::Insertion,
    Barrier::Deletion,
    Barrier::Hybrid,
    Barrier::StopTheWorld,
];

/// A heap whose cycles are driven by [`cycle`] only.
pub(super) fn heap(barrier: Barrier) -> Heap {
    // No heap has background threads in a model: the model is that thread.
    heap_with(barrier, 1)
}

/// The same; with 0 threads, mutators drive at their boundaries, too.
pub(super) fn heap_with(barrier: Barrier, marker_threads: usize) -> Heap {
    let heap = Heap::builder()
        .barrier(barrier)
        .marker_threads(marker_threads)
        .trace(false)
        .build()
        .unwrap();
    // Made now, when there is one thread.
    drop(heap.core().status.lock());
    heap
}

/// Runs one cycle, as a background thread does.
pub(super) fn cycle(heap: &Heap) {
    let _ = heap.core().request_new_cycle();
    finish(heap);
}

/// Runs the first part of a cycle: its markers are about to start. Of one that is all in a stop there is none: it is asked for.
pub(super) fn begin(heap: &Heap) {
    let _ = heap.core().request_new_cycle();
    if heap.barrier() != Barrier::StopTheWorld {
        drive(heap, |core| core.phase() == Phase::Marking);
    }
}

/// Runs the rest of a cycle.
pub(super) fn finish(heap: &Heap) {
    drive(heap, |_| false);
    if heap.core().status.lock().panic.is_some() {
        violation("a `trace` panicked".to_owned());
    }
}

/// Drives until there is no cycle, or as far as `until` says.
pub(super) fn drive(heap: &Heap, until: impl Fn(&Core) -> bool) {
    let core = heap.core();
    let mut marker = None;
    while !until(core) {
        let mut driver = core.driver.lock();
        let outcome = core.advance(&mut driver, &mut marker, u64::MAX);
        if outcome != Advance::Progress
            && let Some(marker) = marker.take()
        {
            core.retire_marker(marker);
        }
        drop(driver);
        match outcome {
            Advance::Progress => {}
            Advance::Waiting => thread::yield_now(),
            Advance::Idle => break,
        }
    }
    if let Some(marker) = marker {
        core.retire_marker(marker);
    }
}

/// Starts a thread of the model, with a mutator.
pub(super) fn mutator(
    heap: &Heap,
    program: impl FnOnce(&mut Mutator) + Send + 'static,
) -> thread::JoinHandle<()> {
    let heap = heap.clone();
    spawn(move || {
        let mut mutator = heap.attach();
        program(&mut mutator);
    })
}

/// Starts a thread of the model.
pub(super) fn spawn<R: Send + 'static>(
    program: impl FnOnce() -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    thread::Builder::new()
        .stack_size(1 << 16)
        .spawn(program)
        .unwrap()
}

/// What an `enter` that goes on for long does: polls, as the allocation slow path does, while others run.
pub(super) fn polls(mc: &Mutation<'_>) {
    for _ in 0..4 {
        mc.state().poll();
        thread::yield_now();
    }
}
