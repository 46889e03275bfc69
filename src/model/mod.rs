//! Model checking of programs on this crate: their code, this crate's code, and every interleaving of the two within
//! a bound.
//!
//! Present under `--cfg tricolor_loom` only, which exchanges the crate's atomics, locks and threads for those of
//! [loom](https://docs.rs/loom). The guide is
//! [`docs/model-checking.md`](https://github.com/tricolor-gc/tricolor-gc/blob/main/docs/model-checking.md).
//!
//! [`check`] runs a program on every interleaving of its threads and panics if one is wrong; [`Builder`] sets bounds
//! and gives a [`Report`] instead. Everything of the crate works in it: heaps, cells, roots, weak references. A heap
//! has no thread of its own there: the program collects where it wants to ([`cycle`], [`Collector`]). An object that
//! was freed although the program or a marker still comes to it is reported; [`Tracked`] also says when one dies.
//!
//! ```
//! use tricolor_gc::model::{self, Tracked};
//! use tricolor_gc::{Barrier, Gc, GcSlot, Root, Rootable, Trace};
//!
//! #[derive(Trace)]
//! struct Node<'gc> {
//!     tracked: Tracked,
//!     next: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
//! }
//!
//! model::check(|| {
//!     let heap = model::heap(Barrier::Hybrid);
//!     let mut main = heap.attach();
//!     let root: Root<Rootable![Node<'_>]> = main.enter(|mc| {
//!         let last = Gc::new(mc, Node { tracked: Tracked::new("last"), next: GcSlot::new(None) });
//!         let first = Node { tracked: Tracked::new("first"), next: GcSlot::new(Some(last)) };
//!         Root::new(mc, Gc::new(mc, first))
//!     });
//!     let first = root.clone();
//!     let mutator = model::mutator("mutator", &heap, move |m| {
//!         m.enter(|mc| {
//!             // On the stack only, while the cycle marks.
//!             if let Some(last) = first.get(mc).next.swap(mc, None) {
//!                 last.tracked.read();
//!             }
//!         });
//!     });
//!     model::cycle(&heap);
//!     mutator.join().unwrap();
//!     main.enter(|mc| root.get(mc).tracked.read());
//! });
//! ```
//!
//! **Barriers.** [`hide_by_delete`], [`hide_on_stack`] and [`hide_in_new_object`], and two more for barriers without
//! stops ([`Scenario`]), run over a shipped [`Barrier`](crate::Barrier) or over a [`WriteBarrier`] of yours.
//!
//! **In `loom::model`** the same works: the first heap of an execution prepares it, and a violation is a panic. Make
//! the heap before you start threads, and set `LOOM_MAX_BRANCHES` and `LOOM_MAX_PREEMPTIONS`.

mod barrier;
mod check;
mod collector;
pub(crate) mod hooks;
mod log;
mod scenario;
mod state;
mod tracked;

pub use barrier::{
    Arming, Ending, NewObjects, Shade, Skeleton, Stack, Store, Target, WriteBarrier,
    heap_with_barrier,
};
pub use check::{Builder, Report, check};
pub use collector::{Collector, cycle, heap, linger, mutator, spawn};
pub use loom::thread::{JoinHandle, yield_now};
pub use scenario::{
    Scenario, hide_by_delete, hide_by_race, hide_by_straggler, hide_in_new_object, hide_on_stack,
};
pub use tracked::{Tracked, Witness};

/// The guide's examples are compiled and run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../docs/model-checking.md")]
struct Guide;

/// A point where loom may go on with another thread. Slots have one at each use, markers at each object; a program
/// needs them only where it uses atomics of its own that are not loom's.
pub fn switch_point() {
    state::switch_point();
}
