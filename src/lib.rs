//! A concurrent, precise tri-colour mark-sweep garbage collector, made to be embedded in interpreters and other
//! programs with cyclic, shared, long-lived data.
//!
//! ```
//! use tricolor_gc::{Barrier, Gc, GcCell, GcRefCell, Heap, Root, Rootable, Trace};
//!
//! #[derive(Trace)]
//! struct Node<'gc> {
//!     name: String,
//!     parent: GcCell<Option<Gc<'gc, Node<'gc>>>>,
//!     children: GcRefCell<Vec<Gc<'gc, Node<'gc>>>>,
//! }
//!
//! impl<'gc> Node<'gc> {
//!     fn named(name: &str) -> Self {
//!         Node { name: name.into(), parent: GcCell::new(None), children: GcRefCell::new(vec![]) }
//!     }
//! }
//!
//! let heap = Heap::builder().barrier(Barrier::Hybrid).growth_percent(100).build()?;
//! let mut mutator = heap.attach();
//!
//! let root: Root<Rootable![Node<'_>]> = mutator.enter(|mc| {
//!     let top = Gc::new(mc, Node::named("top"));
//!     let leaf = Gc::new(mc, Node::named("leaf"));
//!     leaf.parent.set(mc, Some(top)); // barrier inside
//!     top.children.borrow_mut(mc).push(leaf); // barrier inside
//!     Root::new(mc, top)
//! });
//!
//! mutator.enter(|mc| assert_eq!(root.get(mc).children.borrow().len(), 1));
//! drop(root);
//! let cycle = mutator.collect(); // one full cycle, with its figures
//! assert_eq!(cycle.objects_freed, 2);
//! # Ok::<(), tricolor_gc::ConfigError>(())
//! ```
//!
//! Under `--cfg tricolor_loom` there is also the module `model`: programs on this crate, model-checked with loom against the
//! running collector, and write barriers to try out. Its guide is `docs/model-checking.md`.

extern crate self as tricolor_gc;

mod alloc;
mod arena;
mod barrier;
mod cell;
mod collector;
mod config;
mod cycle;
mod error;
mod gc;
mod heap;
#[cfg(all(test, tricolor_loom))]
mod loom_tests;
mod mark;
#[cfg(tricolor_loom)]
pub mod model;
mod mutator;
mod panic;
mod report;
mod root;
mod stats;
mod sweep;
mod sync;
mod trace;
mod user_code;
mod verify;
mod weak;

pub use arena::Arena;
pub use cell::mutex::{GcMutex, GcMutexGuard};
pub use cell::once::GcOnceCell;
pub use cell::plain::GcCell;
pub use cell::ref_cell::{GcRef, GcRefCell, GcRefMut};
pub use cell::rw_lock::{GcRwLock, GcRwLockReadGuard, GcRwLockWriteGuard};
pub use cell::slot::{GcSlot, SlotValue};
pub use collector::{Heap, HeapBuilder};
pub use config::{Barrier, StressConfig};
pub use error::{AllocError, ConfigError};
pub use gc::{ByIdentity, Gc};
pub use mutator::{Mutation, Mutator, StepStatus};
pub use root::{Root, Rootable};
pub use stats::{CycleStats, HeapStats};
pub use trace::{Static, Trace, Tracer};
#[cfg(feature = "derive")]
pub use tricolor_gc_derive::Trace;
pub use weak::GcWeak;

#[doc(hidden)]
pub use root::__DynRootable;
#[doc(hidden)]
pub use trace::derived::{__Branded, Answers as __Answers};
#[doc(hidden)]
pub use tricolor_gc_derive::__unelide_lifetimes;

/// The README's example is compiled and run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
