//! The command line.

use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use tricolor_gc::{Barrier, ConfigError, Heap, StressConfig};

pub(crate) const USAGE: &str = "\
Usage: lox [options] [file]
  --gc-stats          print what the collector did, at the end
  --barrier KIND      insertion, deletion, hybrid or stop-the-world
  --markers N         marker threads; 0 marks in steps on the program's own thread
  --growth PERCENT    how much the heap may grow over what lives before the next cycle
  --max-heap BYTES    fail beyond this size
  --stress            collect as often as possible";

/// What the command line asks for.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) file: Option<OsString>,
    pub(crate) gc_stats: bool,
    barrier: Option<Barrier>,
    markers: Option<usize>,
    growth: Option<u32>,
    max_heap: Option<usize>,
    stress: bool,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut options = Options::default();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--gc-stats") => options.gc_stats = true,
                Some("--stress") => options.stress = true,
                Some("--barrier") => options.barrier = Some(value(&argument, arguments.next())?),
                Some("--markers") => options.markers = Some(value(&argument, arguments.next())?),
                Some("--growth") => options.growth = Some(value(&argument, arguments.next())?),
                Some("--max-heap") => options.max_heap = Some(value(&argument, arguments.next())?),
                Some(text) if text.starts_with("--") => {
                    return Err(format!("Unknown option {text}."));
                }
                _ if options.file.is_some() => return Err("More than one file.".to_string()),
                _ => options.file = Some(argument),
            }
        }
        Ok(options)
    }

    /// The heap that the options describe.
    pub(crate) fn heap(&self) -> Result<Heap, ConfigError> {
        let mut builder = Heap::builder();
        if let Some(barrier) = self.barrier {
            builder = builder.barrier(barrier);
        }
        if let Some(markers) = self.markers {
            builder = builder.marker_threads(markers);
        }
        if let Some(growth) = self.growth {
            builder = builder.growth_percent(growth);
        }
        if let Some(max_heap) = self.max_heap {
            builder = builder.max_heap(max_heap);
        }
        if self.stress {
            builder = builder.stress(StressConfig::new(1));
        }
        builder.build()
    }
}

fn value<T: FromStr>(option: &OsStr, value: Option<OsString>) -> Result<T, String> {
    let option = option.to_string_lossy();
    let value = value.ok_or_else(|| format!("{option} needs a value."))?;
    let value = value.to_string_lossy();
    value
        .parse()
        .map_err(|_| format!("{option} cannot be {value}."))
}
