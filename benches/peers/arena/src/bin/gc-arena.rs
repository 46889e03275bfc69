//! With the system's allocator.

fn main() -> std::process::ExitCode {
    peer_gc_arena::main()
}
