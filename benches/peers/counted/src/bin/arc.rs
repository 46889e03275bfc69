//! With the system's allocator.

fn main() -> std::process::ExitCode {
    peers_counted::arc()
}
