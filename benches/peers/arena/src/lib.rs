//! The workloads on `gc-arena`, which collects when the program asks it to, here about every thousand operations.

mod links;
mod trees;

use std::process::ExitCode;

use peers_common::run;

/// Operations between two calls of `collect_debt`.
const SLICE: u64 = 1000;

/// The program.
pub fn main() -> ExitCode {
    run(|request| {
        let size = |index| request.size(index);
        Some(match request.workload.as_str() {
            "binary-trees" => trees::binary_trees(size(0) as u32),
            "gcbench" => trees::gcbench(size(0) as u32),
            "churn" => links::churn(size(0), size(1)),
            "graph" => links::rewiring(size(0), size(1)),
            "rings" => links::rings(size(0), size(1)),
            "traversal" => trees::traversal(size(0) as u32, size(1)),
            "latency" => trees::latency(size(0) as u32, size(1)),
            _ => return None,
        })
    })
}
