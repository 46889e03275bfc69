//! The workloads on `boa_gc`.

mod system;
#[path = "../../shared/workloads.rs"]
mod workloads;

pub use workloads::main;
