//! `Trace` for the types of the standard library.
//!
//! Two kinds of type implement it:
//! - **owners** (`Option`, `Vec`, maps, tuples, …) trace what they hold. What an owner holds is reached from nowhere
//!   else and cannot change while the owner is shared, so a marker thread may read it.
//! - **leaves** hold no `Gc` at all and are not traced: data without type parameters, and everything that shares or
//!   mutates what it holds (`Rc`, `Arc`, `Cell`, `Mutex`, `&'static T`, …), for which the content must be `'static`.
//!   `'gc` is never `'static`, so that bound keeps every `Gc` out.
//!
//! Rejected: tracing through `Rc` or `Arc`. Two objects can share one, and a store made through an owner that is
//! already black would be seen by neither the barrier nor the marker. Tracing through `Cell` and `RefCell`: a marker
//! would read while the mutator writes.
//!
//! `NEEDS_TRACE` is that of the content; `DROP_IS_SEND` likewise, for drop glue in the standard library runs no user
//! code but the destructors of the content (maps and heaps call neither `Ord` nor `Hash`). Where the content is not
//! asked to be `Trace`, a type counts as droppable anywhere if it has no drop glue.

mod container;
mod leaf;
mod map;
mod primitive;
mod shared;
#[cfg(test)]
mod tests;

pub use leaf::Static;
