//! `Tracked`: a value that tells when it dies.

use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::log::Event;
use super::state;
use crate::trace::{Trace, Tracer};

/// A value that knows when it is dropped; put it into the objects of a model, to see when they die.
///
/// [`read`](Tracked::read) it where the program uses the object: loom then also checks that every use comes before the
/// destructor, on every interleaving. A [`Witness`] tells, without the object, whether it is alive.
pub struct Tracked {
    number: usize,
    /// loom watches who uses it.
    used: loom::cell::UnsafeCell<()>,
}

// SAFETY: one thread of the machine runs a model (I17), and loom reports unordered uses of its cell.
unsafe impl Sync for Tracked {}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.witness().fmt(f)
    }
}

// SAFETY: it is `'static` and holds no `Gc` (T10): nothing to report (T1), in any heap (T5), nothing is read (T2), and it may have a destructor
// (T3, T6); that uses what all threads of a model share (I17), so it may run anywhere (T4).
unsafe impl<'gc> Trace<'gc> for Tracked {
    const NEEDS_TRACE: bool = false;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'gc>) {}
}

impl Tracked {
    /// A value; the object that it is put into is called `name` in reports.
    ///
    /// # Panics
    /// Outside a model.
    pub fn new(name: &'static str) -> Self {
        Tracked {
            number: state::track(name),
            used: loom::cell::UnsafeCell::new(()),
        }
    }

    /// Uses the value. If it has been dropped, that is a violation.
    pub fn read(&self) {
        let witness = self.witness();
        state::log(|e| Event::Read(e.tracked.get(self.number).map_or("?", |t| t.name)));
        witness.assert_alive();
        self.watch(|used| used.with(|_| ()));
    }

    /// Tells whether the value is alive, also when it is no longer.
    pub fn witness(&self) -> Witness {
        Witness(self.number)
    }

    /// Uses the value; a race is a violation.
    fn watch(&self, access: impl FnOnce(&loom::cell::UnsafeCell<()>)) {
        if std::thread::panicking() {
            return;
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| access(&self.used))) {
            let text = super::check::text_of(&*panic);
            let name = self.witness().name();
            state::violation(format!(
                "a use of `{name}` is not ordered before its destructor: {text}"
            ));
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let before = state::with(|e| {
            let tracked = e.tracked.get_mut(self.number)?;
            let sweeping = e.sweeping;
            Some((core::mem::replace(&mut tracked.dropped, true), sweeping))
        });
        match before.flatten() {
            Some((true, _)) => {
                state::violation(format!("`{}` was dropped twice", self.witness().name()));
            }
            // The collector's destructors. When the heap itself goes, its owner has seen to the order.
            Some((false, true)) => self.watch(|used| used.with_mut(|_| ())),
            _ => {}
        }
    }
}

/// Tells whether a [`Tracked`] value is alive. `Copy` and `'static`: goes to other threads, out of `enter`, and
/// outlives the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Witness(usize);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_alive() { "alive" } else { "dropped" };
        write!(f, "`{}` ({state})", self.name())
    }
}

impl Witness {
    fn name(self) -> &'static str {
        let name = state::with(|e| e.tracked.get(self.0).map(|t| t.name));
        name.flatten().unwrap_or("memory that was reused")
    }

    /// Whether the value has not been dropped.
    pub fn is_alive(self) -> bool {
        state::with(|e| e.tracked.get(self.0).is_some_and(|t| !t.dropped)).unwrap_or(false)
    }

    /// It is a violation if the value has been dropped: the program can still reach it.
    pub fn assert_alive(self) {
        if !self.is_alive() && !std::thread::panicking() {
            state::violation(format!(
                "`{}` was freed while the program could reach it",
                self.name()
            ));
        }
    }

    /// It is a violation if the value has not been dropped: it was garbage when the last cycle began.
    pub fn assert_freed(self) {
        if self.is_alive() && !std::thread::panicking() {
            state::violation(format!(
                "`{}` was garbage when the cycle began, and is still there",
                self.name()
            ));
        }
    }
}
