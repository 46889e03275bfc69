//! The workloads on `bacon_rajan_cc`.

mod system;
#[path = "../../shared/workloads.rs"]
mod workloads;

use std::process::ExitCode;

/// The collector recurses as deep as the data is, a million times in a queue.
const STACK: usize = 4 << 30;

/// The program.
pub fn main() -> ExitCode {
    let thread = std::thread::Builder::new().stack_size(STACK);
    let program = thread.spawn(workloads::main).expect("a thread starts");
    program.join().expect("the workload does not panic")
}
