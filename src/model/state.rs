//! What is known of the execution that runs: which objects are dead, what they are called, what happened, what is
//! wrong.
//!
//! Coroutines of one thread of the machine run a model, so all of it is thread-local. No borrow of it is held where
//! loom may switch.

use core::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};

use super::barrier::Rule;
use super::log::{Event, Log};
use crate::heap::layout::GRANULE;

/// Tracked values: their names, and whether they have been dropped.
#[derive(Clone, Copy)]
pub(super) struct TrackedState {
    pub(super) name: &'static str,
    pub(super) dropped: bool,
}

/// See the module header.
#[derive(Default)]
pub(super) struct Execution {
    /// Granules of dead objects.
    freed: HashSet<usize>,
    /// What the object of a granule is called.
    labels: HashMap<usize, String>,
    objects: usize,
    /// Names of tracked values that are in no object yet.
    unplaced: Vec<&'static str>,
    pub(super) tracked: Vec<TrackedState>,
    /// Barriers of heaps that have one of the user's.
    pub(super) rules: Vec<(u64, Arc<Rule>)>,
    /// Dead objects are being dropped.
    pub(super) sweeping: bool,
    log: Log,
    violation: Option<String>,
    point: Option<Rc<AtomicBool>>,
}

std::thread_local! {
    static EXECUTION: RefCell<Option<Execution>> = const { RefCell::new(None) };
    /// [`check`](super::check) runs it, and looks for violations when it ends.
    static CHECKED: Cell<bool> = const { Cell::new(false) };
}

/// The payload of a panic that ends a thread of an execution in which something is wrong.
pub(super) struct Violated;

/// An execution begins.
pub(super) fn begin(cells: usize, checked: bool) {
    let point = Some(Rc::new(AtomicBool::new(false)));
    EXECUTION.set(Some(Execution {
        point,
        ..Execution::default()
    }));
    CHECKED.set(checked);
    crate::sync::prepare(cells);
}

/// No execution runs any more. What was wrong with the last one, and what happened in it.
pub(super) fn end() -> Option<(String, String)> {
    CHECKED.set(false);
    let mut last = EXECUTION.take()?;
    let text = last.violation.take();
    let log = last.log.to_string();
    // What was made in the execution must not be touched after it.
    core::mem::forget(last.point);
    Some((text.unwrap_or_default(), log))
}

/// Calls `f` with the execution, if one runs that was begun here.
pub(super) fn with<R>(f: impl FnOnce(&mut Execution) -> R) -> Option<R> {
    EXECUTION.with(|e| e.borrow_mut().as_mut().map(f))
}

impl Execution {
    /// What an object is called.
    pub(super) fn label(&self, object: usize) -> String {
        let label = self.labels.get(&(object / GRANULE));
        label.map_or_else(|| format!("an object at {object:#x}"), String::clone)
    }

    fn labels(&self, objects: [Option<usize>; 2]) -> [Option<String>; 2] {
        objects.map(|object| object.map(|o| self.label(o)))
    }
}

/// A value called `name` was made.
pub(super) fn track(name: &'static str) -> usize {
    with(|e| {
        e.unplaced.push(name);
        e.tracked.push(TrackedState {
            name,
            dropped: false,
        });
        e.tracked.len() - 1
    })
    .expect("a Tracked is made inside a model, after its heap or under `model::check`")
}

/// An object is made: the last tracked value that is in none is in it.
pub(super) fn allocated(object: usize) {
    with(|e| {
        e.objects += 1;
        e.freed.remove(&(object / GRANULE));
        let label = match e.unplaced.pop() {
            Some(name) => format!("`{name}`"),
            None => format!("object #{}", e.objects),
        };
        e.labels.insert(object / GRANULE, label);
    });
    log(|e| Event::Made(e.label(object)));
}

/// An object is dead.
pub(super) fn freed(object: usize) {
    with(|e| e.freed.insert(object / GRANULE));
    log(|e| Event::Freed(e.label(object)));
}

/// Complains if the object is dead.
pub(super) fn must_live(object: usize, what: &str) {
    let text = with(|e| {
        let dead = e.freed.contains(&(object / GRANULE));
        dead.then(|| format!("{} was freed, and {what}", e.label(object)))
    });
    if let Some(text) = text.flatten()
        && !std::thread::panicking()
    {
        violation(text);
        stop();
    }
}

/// Notes that something is wrong. The first is kept.
pub(super) fn violation(text: String) {
    let known = with(|e| {
        if e.violation.is_none() {
            e.log.add(Event::Violation(text.clone()));
            e.violation = Some(text.clone());
        }
    });
    if known.is_none() || !CHECKED.get() {
        panic!("{text}");
    }
}

/// Ends the current thread: what it would do next is undefined.
pub(super) fn stop() -> ! {
    resume_unwind(Box::new(Violated))
}

/// Whether something is wrong already.
pub(super) fn is_violated() -> bool {
    with(|e| e.violation.is_some()).unwrap_or(false)
}

/// Writes down what the current thread does.
pub(super) fn log(event: impl FnOnce(&Execution) -> Event) {
    with(|e| {
        let event = event(e);
        e.log.add(event);
    });
}

/// A slot was written.
pub(super) fn log_store(old: Option<usize>, new: Option<usize>, shaded: Option<(bool, bool)>) {
    log(|e| {
        let [old, new] = e.labels([old, new]);
        Event::Stored { old, new, shaded }
    });
}

/// See [`switch_point`](super::switch_point).
pub(super) fn switch_point() {
    let point = with(|e| e.point.clone()).flatten();
    if let Some(point) = point {
        // Relaxed: nobody goes by it; loom sees a write.
        point.fetch_or(true, Ordering::Relaxed);
    }
}

/// What was found wrong where nothing can be thrown (a destructor) is thrown here, unless it is looked for at the end.
pub(super) fn raise_unchecked() {
    if !CHECKED.get()
        && let Some(text) = with(|e| e.violation.clone()).flatten()
    {
        panic!("{text}");
    }
}
