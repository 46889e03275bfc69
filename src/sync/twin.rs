//! Broken twins: weakened versions of the protocols, compiled from the code that ships.
//!
//! A model checker that finds nothing may be looking at nothing. So each protocol has twins, in which one step is left
//! out or moved, and a model must find what that breaks. The weakened spot asks [`is`], which is a constant `false`
//! outside `cfg(all(test, loom))` and costs nothing there; under loom a test chooses the twin for the models it runs.

/// What is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Twin {
    /// Stores have no barrier.
    NoBarrier,
}

/// Whether the code runs as this twin.
#[cfg(not(all(test, loom)))]
#[inline(always)]
pub(crate) const fn is(_: Twin) -> bool {
    false
}

#[cfg(all(test, loom))]
pub(crate) use switch::{is, with};

#[cfg(all(test, loom))]
mod switch {
    use core::cell::Cell;

    use super::Twin;

    std::thread_local! {
        static TWIN: Cell<Option<Twin>> = const { Cell::new(None) };
    }

    /// Whether the code runs as this twin.
    pub(crate) fn is(twin: Twin) -> bool {
        TWIN.get() == Some(twin)
    }

    /// Runs `f` with the code as a twin, or as it ships.
    pub(crate) fn with<R>(twin: Option<Twin>, f: impl FnOnce() -> R) -> R {
        struct Reset;
        impl Drop for Reset {
            fn drop(&mut self) {
                TWIN.set(None);
            }
        }
        TWIN.set(twin);
        let _reset = Reset;
        f()
    }
}
