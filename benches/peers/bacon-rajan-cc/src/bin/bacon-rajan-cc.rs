//! With the system's allocator.

fn main() -> std::process::ExitCode {
    peer_bacon_rajan_cc::main()
}
