//! What a witness is in a model: a cell of loom's, and what is found wrong with it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

// Coroutines of one thread of the machine run a model, so a thread-local is the model's.
std::thread_local! {
    static VIOLATION: RefCell<Option<String>> = const { RefCell::new(None) };
    static OWNED: RefCell<HashMap<usize, Rc<Watched>>> = RefCell::default();
}

/// An execution begins.
pub(crate) fn prepare() {
    VIOLATION.set(None);
    OWNED.take();
}

/// Notes that something is wrong. The execution goes on: a panic in the middle of it would unwind through code that
/// switches coroutines.
pub(crate) fn violation(what: String) {
    VIOLATION.with_borrow_mut(|v| {
        v.get_or_insert(what);
    });
}

/// What was wrong first in this execution.
pub(crate) fn take_violation() -> Option<String> {
    VIOLATION.take()
}

#[derive(Default)]
pub(crate) struct Watched(loom::cell::UnsafeCell<()>);

// SAFETY: one thread of the machine runs a model (I17); loom reports unordered uses of its cell, and `catch_race` notes that.
unsafe impl Sync for Watched {}

impl Watched {
    pub(crate) fn write(&self) {
        catch_race(|| self.0.with_mut(|_| ()));
    }

    pub(crate) fn read(&self) {
        catch_race(|| self.0.with(|_| ()));
    }
}

pub(crate) struct MustDrop(
    #[expect(dead_code, reason = "its drop tells loom")] loom::alloc::Track<()>,
);

impl Default for MustDrop {
    fn default() -> Self {
        MustDrop(loom::alloc::Track::new(()))
    }
}

pub(crate) fn owned(address: usize) {
    let watched = OWNED.with_borrow_mut(|owned| owned.entry(address).or_default().clone());
    watched.write();
}

fn catch_race(access: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(access)) {
        let text = panic.downcast_ref::<String>();
        let text = text.map_or("a race", |text| text.lines().next().unwrap_or("a race"));
        violation(text.to_owned());
    }
}
