//! One set of names for the synchronisation primitives, so that the same code runs on the machine and under loom.
//!
//! Everything in this crate imports its atomics, locks and threads from here. Under `cfg(tricolor_loom)` the names
//! are loom's and every access is a point where loom may switch threads; otherwise they are `core`'s atomics and
//! parking_lot's locks. The lock types have parking_lot's interface in both cases: no poisoning, no `Result`. The library's own have ranks
//! ([`ranked`]); `UserMutex` and `RwLock` are those inside the cells, the program's.
//!
//! [`plain`] holds atomics that are the machine's in both cases. They are for what no protocol depends on (sums for the
//! statistics and the pacer, names that are unique in the process) and for mark bytes, which lie in the heap's memory
//! where a loom object has no room. They are Relaxed where no line says more.
//!
//! This is one of the few files where `cfg(tricolor_loom)` is written; the protocols themselves do not know of it.

pub(crate) mod hooks;
pub(crate) mod planted;
#[cfg_attr(
    tricolor_loom,
    allow(
        dead_code,
        reason = "in models only the address space of the process is behind these"
    )
)]
pub(crate) mod ranked;
pub(crate) mod twin;
pub(crate) mod witness;

#[cfg(not(all(test, tricolor_loom)))]
#[path = "unwatched.rs"]
mod watched;
#[cfg(all(test, tricolor_loom))]
pub(crate) mod watched;

#[cfg(tricolor_loom)]
mod model;
#[cfg(tricolor_loom)]
pub(crate) mod relax;
#[cfg(tricolor_loom)]
pub(crate) use model::*;

#[cfg(not(tricolor_loom))]
mod native;
#[cfg(not(tricolor_loom))]
pub(crate) use native::*;

/// See the module header.
pub(crate) mod plain {
    pub(crate) use core::sync::atomic::fence;
    pub(crate) use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize};
}
