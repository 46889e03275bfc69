//! A concurrent, precise tri-colour mark-sweep garbage collector, made to be embedded in interpreters and other
//! programs with cyclic, shared, long-lived data.
//!
//! ```
//! use tricolor_gc::{Barrier, Gc, GcRefCell, GcSlot, Heap, Root, Rootable, Trace};
//!
//! #[derive(Trace)]
//! struct Node<'gc> {
//!     name: String,
//!     parent: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
//!     children: GcRefCell<Vec<Gc<'gc, Node<'gc>>>>,
//! }
//!
//! impl<'gc> Node<'gc> {
//!     fn named(name: &str) -> Self {
//!         Node { name: name.into(), parent: GcSlot::new(None), children: GcRefCell::new(vec![]) }
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
//! # Which cell
//!
//! | what changes | cell | bytes, of a pointer | `Sync` |
//! |---|---|---:|---|
//! | one `Gc` or `Option<Gc>` to a sized type, on one thread or many: an edge of a graph | [`GcSlot`] | 8 | yes |
//! | another small `Copy` value: an enum of an interpreter, a pointer to a slice or a string | [`GcCell`] | 16 | no |
//! | what is set once | [`GcOnceCell`] | 24 | no |
//! | a large table of pointers | `Gc<[GcSlot<_>]>` ([`Gc::slice_from_fn`]) | 8 each | yes |
//! | a `Vec`, a `HashMap`, a struct | [`GcRefCell`] | 24 | no |
//! | the same, shared by threads | [`GcMutex`], [`GcRwLock`] | 24 | yes |
//!
//! All but slots are claimed once in each cycle, by an exchange: a tree or a list of small nodes takes up to three times as long with `GcCell` as
//! with `GcSlot`.
//! A field that does not change needs none, and a type without cells is cheapest: a collection that has marked an object of it does not look
//! at it again.
//!
//! # Long computations
//!
//! A cycle does not begin to mark before every thread that is inside has come out of `enter` (twice, under [`Barrier::Hybrid`]): for as long as
//! one stays inside, what has become garbage since is not freed. A loop asks [`Mutation::should_yield`] and comes back through a root. A
//! recursion that holds `Gc`s in its calls cannot: keep its stack in the heap.
//!
//! ```
//! use tricolor_gc::{Gc, GcRefCell, Heap, Root, Rootable, Trace};
//!
//! /// The queens on the rows so far, the last first.
//! #[derive(Trace)]
//! struct Queens<'gc> {
//!     column: u32,
//!     rest: Option<Gc<'gc, Queens<'gc>>>,
//! }
//!
//! /// Placements that are to be continued: what would be the stack of a recursion.
//! type Stack = Rootable!['gc => GcRefCell<Vec<Option<Gc<'gc, Queens<'gc>>>>>];
//!
//! fn is_safe<'gc>(column: u32, mut rest: Option<Gc<'gc, Queens<'gc>>>) -> bool {
//!     for distance in 1.. {
//!         let Some(queen) = rest else { break };
//!         if queen.column == column || queen.column.abs_diff(column) == distance {
//!             return false;
//!         }
//!         rest = queen.rest;
//!     }
//!     true
//! }
//!
//! let mut mutator = Heap::new().attach();
//! let stack: Root<Stack> = mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcRefCell::new(vec![None]))));
//! let (mut solutions, mut finished) = (0, false);
//! while !finished {
//!     mutator.enter(|mc| {
//!         let stack = stack.get(mc);
//!         let mut stack = stack.borrow_mut(mc);
//!         // Leaves `enter` when the collector asks for it, and goes on with what is on the stack.
//!         while !mc.should_yield() {
//!             let Some(queens) = stack.pop() else { return finished = true };
//!             let mut rows = 0;
//!             let mut row = queens;
//!             while let Some(queen) = row {
//!                 (rows, row) = (rows + 1, queen.rest);
//!             }
//!             for column in (0..6).filter(|&column| is_safe(column, queens)) {
//!                 match rows {
//!                     5 => solutions += 1,
//!                     _ => stack.push(Some(Gc::new(mc, Queens { column, rest: queens }))),
//!                 }
//!             }
//!         }
//!     });
//! }
//! assert_eq!(solutions, 4);
//! ```
//!
//! # Memory that objects own
//!
//! What a `Vec`, a `String`, a `Box` or a map in an object has allocated is no part of the heap, but counts when the next cycle is due: samples of
//! new and of dead objects tell what those of a type own on average ([`HeapStats::bytes_owned`]). It is an estimate, far from the truth where few own much,
//! or the dead are not like the living, and gives a heap no more room than for some times what lives in it.
//!
//! Not seen is what lies behind an `Rc` or an `Arc`, in a cell of the standard library, in [`Static`] or a skipped field; what objects own with
//! a field of a type whose `Trace` is written by hand, or that must be dropped on their own thread, or are larger than 32 KiB; and what those
//! have grown by that live. [`Mutation::account`] tells the pacer of that, where it is much.
//!
//! What is owned is freed by the object's destructor, some time after and often on another thread than has allocated it; an allocator that is good at that, such as mimalloc as
//! the `#[global_allocator]`, makes a program of many vectors faster. [`Gc`] slices and strings lie in the heap, and need no
//! destructor: a `Gc<str>` takes a third or a quarter of the time of a `Gc<String>`.
//!
//! # Model checking
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
