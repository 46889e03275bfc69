//! With the system's allocator.

fn main() -> std::process::ExitCode {
    peer_boa_gc::main()
}
