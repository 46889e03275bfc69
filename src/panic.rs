//! Panics of the program's code that the collector runs: destructors and `trace`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a panic carries. It is the program's: its destructor may panic in turn, which goes no further than here.
pub(crate) struct Payload(Option<Box<dyn Any + Send>>);

impl Payload {
    /// The panic goes on.
    pub(crate) fn resume(mut self) -> ! {
        resume_unwind(self.0.take().expect("there from the start"))
    }

    /// The payload as text.
    #[cfg(test)]
    pub(crate) fn text(&self) -> Option<&'static str> {
        self.0.as_ref()?.downcast_ref::<&str>().copied()
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        let payload = self.0.take();
        if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            core::mem::forget(next);
        }
    }
}

/// Runs the program's code.
pub(crate) fn contain<R>(run: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| Payload(Some(payload)))
}
