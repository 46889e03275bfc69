//! The protocols under loom: the code that ships, on every interleaving of a small program.
//!
//! A model is a program on a real [`Heap`](crate::Heap) whose atomics and locks are loom's (`sync`): real mutators, cells,
//! barriers, roots, the real worklist and the real driver, which a thread of the model runs step by step. Spans have two
//! slots and the root table two roots, so that hand-overs happen. What is not modelled: mark bytes and the statistics are
//! the machine's atomics, and the lists of mutators and of root segments are crossbeam-epoch's; loom sees neither as a
//! point where it may switch, nor their weak memory.
//!
//! Each model asserts that nothing reachable has been freed, and where a cycle runs from its arming to its end beside garbage of
//! before, that it is gone then; races on the contents of cells are loom's to find (`Contents` holds a `loom::cell::UnsafeCell`).
//!
//! **Twins.** Each model is also run on weakened code (`sync::twin`), and there loom must find a violation: a model in which nothing can go
//! wrong shows nothing. A list `TWINS` says which, and `survey` that no model is left out. The table of what is covered is in `SAFETY.md`.
//!
//! `ci/loom.sh` runs all of it within minutes; `ci/loom.sh full` allows one more preemption per execution.

mod harness;
mod objects;

mod batches;
mod cell;
mod early;
mod fresh;
mod gate;
mod helper;
mod locks;
mod mail;
mod mates;
mod minor;
mod new_roots;
mod panic;
mod pool;
mod publish;
mod root;
mod rounds;
mod slot;
mod span;
mod stop;
mod survey;
mod table;
mod weak;
