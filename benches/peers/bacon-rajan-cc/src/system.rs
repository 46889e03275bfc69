//! What the shared workloads need of the crate.

pub use std::cell::RefCell as Mutable;

pub use bacon_rajan_cc::{Cc as Gc, Trace, Tracer};

/// Possible roots of dead cycles that may gather. Each collection follows everything that they reach, so a tenth of
/// this would make rewiring a large graph quadratic.
const ROOTS: usize = 1 << 18;

#[inline(always)]
pub fn poll() {
    if bacon_rajan_cc::number_of_roots_buffered() > ROOTS {
        bacon_rajan_cc::collect_cycles();
    }
}
