//! What panics in the collector: a `trace` or a destructor of an object, once it has been lit, whichever comes first.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tricolor_gc::{Trace, Tracer};

/// What the panic of a `trace` says.
pub(super) const IN_TRACE: &str = "in trace";

/// Of one program, for all its objects.
#[derive(Clone, Default)]
pub(super) struct Fuses {
    trace: Arc<AtomicBool>,
    destructor: Arc<AtomicBool>,
}

impl Fuses {
    pub(super) fn light(&self, destructor: bool) {
        let fuse = if destructor {
            &self.destructor
        } else {
            &self.trace
        };
        fuse.store(true, Ordering::Relaxed);
    }

    /// Two fields for an object.
    pub(super) fn of_object(&self) -> (InTrace, InDestructor) {
        let Fuses { trace, destructor } = self.clone();
        (InTrace(trace), InDestructor(destructor))
    }
}

/// Panics without the hook's message if the fuse is lit: there are many.
fn burn(fuse: &AtomicBool, message: &'static str) {
    if fuse.load(Ordering::Relaxed) && fuse.swap(false, Ordering::Relaxed) {
        resume_unwind(Box::new(message));
    }
}

pub(super) struct InTrace(Arc<AtomicBool>);

// SAFETY: it holds no pointer into the heap (T1, T3); the flag is an atomic, for all threads (T2).
unsafe impl Trace<'_> for InTrace {
    const DROP_IS_SEND: bool = true;
    const UNTIED: bool = true;
    const IMMUTABLE: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        burn(&self.0, IN_TRACE);
    }
}

#[derive(Trace)]
#[trace(skip)]
pub(super) struct InDestructor(Arc<AtomicBool>);

impl Drop for InDestructor {
    fn drop(&mut self) {
        burn(&self.0, "in a destructor");
    }
}
