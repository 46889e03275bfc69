//! The workloads on `gc`.

// Its derives put their implementations into constants.
#![allow(non_local_definitions)]

mod system;
#[path = "../../shared/workloads.rs"]
mod workloads;

pub use workloads::main;
