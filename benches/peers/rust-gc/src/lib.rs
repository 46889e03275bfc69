//! The workloads on `gc`.

mod system;
#[path = "../../shared/workloads.rs"]
mod workloads;

pub use workloads::main;
