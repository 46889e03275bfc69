//! Marking: from roots and mutators' buffers through the worklist to marked objects.

pub(crate) mod aside;
pub(crate) mod batch;
mod fifo;
pub(crate) mod marker;
mod next;
pub(crate) mod rest;
mod thin;
pub(crate) mod tracer;
pub(crate) mod worklist;
