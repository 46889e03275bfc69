//! What the shared workloads need of the crate.

pub use boa_gc::{Finalize, Gc, GcRefCell as Mutable, Trace};
