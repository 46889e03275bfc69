//! With the system's allocator.

fn main() -> std::process::ExitCode {
    peer_rudo_gc::main()
}
