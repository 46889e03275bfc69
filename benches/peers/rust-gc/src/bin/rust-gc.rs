//! With the system's allocator.

fn main() -> std::process::ExitCode {
    peer_rust_gc::main()
}
