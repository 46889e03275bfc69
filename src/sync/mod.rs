//! One set of names for the synchronisation primitives, so that the same code runs on the machine and under loom.
//!
//! Everything in this crate imports its atomics, locks and threads from here. Under `cfg(all(test, loom))` the names
//! are loom's and every access is a point where loom may switch threads; otherwise they are `core`'s atomics and
//! parking_lot's locks. The lock types have parking_lot's interface in both cases: no poisoning, no `Result`.
//!
//! This is one of the few files where `cfg(loom)` is written; the protocols themselves do not know of it.

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, loom))]
pub(crate) use model::*;

#[cfg(not(all(test, loom)))]
mod native;
#[cfg(not(all(test, loom)))]
pub(crate) use native::*;
