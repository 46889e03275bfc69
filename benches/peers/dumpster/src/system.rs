//! What the shared workloads need of the crate: its single-threaded half.

pub use std::cell::RefCell as Mutable;

pub use dumpster::Trace;
pub use dumpster::unsync::Gc;
