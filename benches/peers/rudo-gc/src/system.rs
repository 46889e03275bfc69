//! What the shared workloads need of the crate.

pub use rudo_gc::cell::GcCell as Mutable;
pub use rudo_gc::{Gc, Trace};
