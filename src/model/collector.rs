//! The threads of a model: a collector that is stepped, mutators.

use core::fmt;

use super::state;
use crate::collector::Heap;
use crate::config::Barrier;
use crate::cycle::driver::Advance;
use crate::mark::marker::Marker;
use crate::mutator::{Mutation, Mutator, StepStatus};
use crate::stats::CycleStats;
use crate::sync::thread;

/// A heap for a model: [`Heap::builder`] with nothing but the barrier set. Any other will do as well.
pub fn heap(barrier: Barrier) -> Heap {
    Heap::builder()
        .barrier(barrier)
        .marker_threads(1)
        .trace(false)
        .build()
        .expect("the settings are in range")
}

/// Runs one cycle on the current thread: a background thread's work, which in a model no heap has.
pub fn cycle(heap: &Heap) -> CycleStats {
    Collector::start(heap).finish()
}

/// Drives one cycle, on the thread that calls it, in steps.
///
/// The steps are those of a background thread: between two of them the program may do what it likes, or let loom do it.
pub struct Collector {
    heap: Heap,
    marker: Option<Marker>,
    /// The cycle's number.
    number: u64,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("cycle", &self.number)
            .finish_non_exhaustive()
    }
}

impl Collector {
    /// Asks for a cycle: it starts with the first step.
    pub fn start(heap: &Heap) -> Self {
        Collector {
            heap: heap.clone(),
            marker: None,
            number: heap.core().request_new_cycle(),
        }
    }

    /// One step: to the next handshake, `budget` bytes of marking (1: one object), or a sweep. If the cycle waits for
    /// a mutator, other threads go on.
    ///
    /// # Panics
    /// With the panic of a [`Trace::trace`](crate::Trace::trace).
    pub fn step(&mut self, budget: u64) -> StepStatus {
        let core = self.heap.core().clone();
        let mut driver = core.driver.lock();
        driver.work = 0;
        let outcome = core.advance(&mut driver, &mut self.marker, budget.max(1));
        if outcome != Advance::Progress {
            self.retire();
        }
        drop(driver);
        if core.status.lock().completed >= self.number {
            self.retire();
            self.raise_panic();
            return StepStatus::Completed;
        }
        match outcome {
            Advance::Progress => StepStatus::InProgress,
            Advance::Idle => StepStatus::Idle,
            Advance::Waiting => {
                thread::yield_now();
                StepStatus::Waiting
            }
        }
    }

    /// The rest of the cycle.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    pub fn finish(mut self) -> CycleStats {
        while self.step(u64::MAX) != StepStatus::Completed {}
        self.heap.core().status.lock().last.clone()
    }

    fn retire(&mut self) {
        if let Some(marker) = self.marker.take() {
            self.heap.core().retire_marker(marker);
        }
    }

    /// A panic of a `trace`, or a violation found by a marker.
    fn raise_panic(&self) {
        let panic = self.heap.core().status.lock().panic.take();
        if let Some(panic) = panic {
            panic.resume();
        }
        state::raise_unchecked();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.retire();
    }
}

/// Starts a thread of the model. As `loom::thread::spawn`, with a stack that has room for a collector.
pub fn spawn<T: Send + 'static>(
    name: &str,
    program: impl FnOnce() -> T + Send + 'static,
) -> loom::thread::JoinHandle<T> {
    loom::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(1 << 16)
        .spawn(program)
        .expect("loom starts threads")
}

/// Starts a thread of the model that is a mutator of the heap.
pub fn mutator<T: Send + 'static>(
    name: &str,
    heap: &Heap,
    program: impl FnOnce(&mut Mutator) -> T + Send + 'static,
) -> loom::thread::JoinHandle<T> {
    let heap = heap.clone();
    spawn(name, move || program(&mut heap.attach()))
}

/// What an `enter` that goes on for long does: it polls, as the slow path of allocation does, while others run.
pub fn linger(mc: &Mutation<'_>) {
    for _ in 0..4 {
        mc.state().poll();
        thread::yield_now();
    }
}
