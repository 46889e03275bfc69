//! The workloads with Rust's own owners: `Rc` and `Arc` with reference counts, `Box` where the data is a tree.
//!
//! `Rc` and `Arc` leak rings and the graph's cycles of replaced nodes, as they do to their users.

// `Rc` and `Arc` share a source.
#![allow(clippy::duplicate_mod)]

mod arc;
mod boxed;
mod rc;

use std::process::ExitCode;

use peers_common::{Request, run};

/// The program with `Rc`.
pub fn rc() -> ExitCode {
    run(rc::workloads)
}

/// The program with `Arc`.
pub fn arc() -> ExitCode {
    run(arc::workloads)
}

/// The program with `Box`.
pub fn boxed() -> ExitCode {
    run(boxed::workloads)
}

/// A workload of the request's sizes.
fn size32(request: &Request, index: usize) -> u32 {
    request.size(index) as u32
}
