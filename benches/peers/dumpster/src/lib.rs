//! The workloads on `dumpster`.

mod system;
#[path = "../../shared/workloads.rs"]
mod workloads;

pub use workloads::main;
