//! Lines on standard error: traces of cycles, and what the collector says before it ends the process.

use core::fmt;
use std::io::{self, Write};

/// Writes a line. Nobody may be reading any more, which is no reason to panic.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let _ = write(format!("{text}\n").as_bytes());
}

/// Not through `Stderr`: the program may hold its lock, and wait for the cycle.
#[cfg(unix)]
fn write(text: &[u8]) -> io::Result<()> {
    use std::os::fd::AsFd;
    let stderr = io::stderr().as_fd().try_clone_to_owned()?;
    std::fs::File::from(stderr).write_all(text)
}

#[cfg(not(unix))]
fn write(text: &[u8]) -> io::Result<()> {
    io::stderr().write_all(text)
}
