//! What the shared workloads need of the crate.

pub use gc::{Finalize, Gc, GcCell as Mutable, Trace};
