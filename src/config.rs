//! How a heap is built.

use core::fmt;
use core::str::FromStr;

use crate::error::ConfigError;
use crate::heap::layout::{MAX_SLOTS, PAGE};

/// Which write barrier keeps the marker's picture of the heap true while mutators change it.
///
/// | | `Insertion` (Dijkstra; Go 1.5) | `Deletion` (Yuasa) | `Hybrid` (Go 1.8) | `StopTheWorld` (Go 1.3) |
/// |---|---|---|---|---|
/// | a store shades | the new target | the overwritten target | the overwritten, and while arming the new, too, where it could be missed | nothing |
/// | stops per cycle | 1, at the end | 1, at the start | **0**, see below | 1, as long as marking |
/// | new objects while marking | white | black | white, then black | – |
/// | floating garbage | least | what lived at the start | what lived at the start | none |
///
/// `Hybrid` arms by a stop, as `Deletion` does, in a cycle in which it would have to look at much again and again: threads that are inside for long as
/// it begins have written to large tables under locks, or to many slots, or have leaked a guard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Barrier {
    /// A store shades the pointer it stores. Ends with a stop of all mutators.
    Insertion,
    /// A store shades the pointer it overwrites: what was reachable at the start survives. Begins with a stop.
    Deletion,
    /// A store shades the pointer it overwrites and, while the mutator's stack may hold unseen pointers, the one it
    /// stores where markers may not look. No stops, as a rule.
    #[default]
    Hybrid,
    /// No barrier: all mutators wait while the heap is marked. The yardstick.
    StopTheWorld,
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Barrier::Insertion => "insertion",
            Barrier::Deletion => "deletion",
            Barrier::Hybrid => "hybrid",
            Barrier::StopTheWorld => "stop-the-world",
        })
    }
}

impl FromStr for Barrier {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        match name {
            "insertion" => Ok(Barrier::Insertion),
            "deletion" => Ok(Barrier::Deletion),
            "hybrid" => Ok(Barrier::Hybrid),
            "stop-the-world" => Ok(Barrier::StopTheWorld),
            _ => Err(ConfigError {
                field: "barrier",
                value: format!("{name:?}"),
                range: "insertion, deletion, hybrid or stop-the-world",
            }),
        }
    }
}

/// Makes rare interleavings common, for tests: of this crate, and of programs with `Trace` written by hand.
///
/// Beside what is set here, marking and sweeping advance by a few objects at a time, so that mutators do much in between, and
/// pages hold a few objects each, so that memory changes hands often; a heap takes several times the memory. With half of the seeds cycles arm by a
/// stop under [`Barrier::Hybrid`] as soon as anything calls for one.
///
/// The same seed gives the same decisions, per mutator; with one mutator and `marker_threads(0)` the same run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StressConfig {
    /// Seed of the decisions.
    pub seed: u64,
    /// A cycle is asked for at about every n-th allocation, n ≥ 1.
    pub cycle_every: u32,
    /// Barrier buffers are handed over at this many entries, ≥ 1.
    pub buffer: usize,
    /// Delays of up to this many yields at handshakes, claims, and before work is taken; there now and then a longer one.
    pub delay: u32,
}

impl StressConfig {
    /// A cycle about every 50 allocations, buffers of one entry, short delays.
    pub fn new(seed: u64) -> Self {
        StressConfig {
            seed,
            cycle_every: 50,
            buffer: 1,
            delay: 4,
        }
    }

    /// Another interval between cycles, in allocations.
    pub fn cycle_every(mut self, allocations: u32) -> Self {
        self.cycle_every = allocations;
        self
    }

    /// Another length of the delays, in yields.
    pub fn delay(mut self, yields: u32) -> Self {
        self.delay = yields;
        self
    }
}

/// The settings of a heap.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) barrier: Barrier,
    pub(crate) growth_percent: u32,
    pub(crate) memory_limit: usize,
    pub(crate) max_heap: usize,
    pub(crate) min_heap: usize,
    pub(crate) marker_threads: usize,
    pub(crate) minor_cycles: bool,
    pub(crate) trace: bool,
    pub(crate) stress: Option<StressConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            barrier: Barrier::default(),
            growth_percent: 100,
            memory_limit: usize::MAX,
            max_heap: usize::MAX,
            min_heap: 8 << 20,
            marker_threads: default_marker_threads(),
            minor_cycles: true,
            trace: trace_from_environment(),
            stress: None,
        }
    }
}

/// A quarter of the processors, at least one. They are counted when the first heap is made: that reads files.
fn default_marker_threads() -> usize {
    static THREADS: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *THREADS.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        (processors / 4).max(1)
    })
}

/// Whether `TRICOLOR_GC` holds `trace=1` among its comma-separated settings.
fn trace_from_environment() -> bool {
    std::env::var("TRICOLOR_GC").is_ok_and(|v| v.split(',').any(|item| item.trim() == "trace=1"))
}

/// Slots of a span in stress mode.
const STRESS_SLOTS: usize = 16;
/// Largest accepted number of marker threads.
const MAX_MARKERS: usize = 64;
/// Largest accepted growth.
const MAX_GROWTH: u32 = 100_000;

impl Config {
    /// Slots of a span of small objects at most.
    pub(crate) fn span_slots(&self) -> usize {
        match self.stress {
            Some(_) => STRESS_SLOTS.min(MAX_SLOTS),
            None => MAX_SLOTS,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let error = |field, value: String, range| {
            Err(ConfigError {
                field,
                value,
                range,
            })
        };
        if !(1..=MAX_GROWTH).contains(&self.growth_percent) {
            return error(
                "growth_percent",
                self.growth_percent.to_string(),
                "1 to 100000 percent",
            );
        }
        if self.marker_threads > MAX_MARKERS {
            return error(
                "marker_threads",
                self.marker_threads.to_string(),
                "0 to 64 threads",
            );
        }
        if self.max_heap < 4 * PAGE {
            return error(
                "max_heap",
                self.max_heap.to_string(),
                "at least 65536 bytes",
            );
        }
        if self.memory_limit < 4 * PAGE {
            return error(
                "memory_limit",
                self.memory_limit.to_string(),
                "at least 65536 bytes",
            );
        }
        if let Some(stress) = self.stress {
            if stress.cycle_every == 0 {
                return error("stress.cycle_every", "0".into(), "at least 1 allocation");
            }
            if stress.buffer == 0 {
                return error("stress.buffer", "0".into(), "at least 1 entry");
            }
        }
        Ok(())
    }
}

/// Spreads the bits of a number (the finaliser of splitmix64; Steele, Lea, Flood 2014).
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_its_field() {
        let field = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().field
        };
        assert_eq!(field(|c| c.growth_percent = 0), "growth_percent");
        assert_eq!(
            field(|c| c.growth_percent = MAX_GROWTH + 1),
            "growth_percent"
        );
        assert_eq!(field(|c| c.marker_threads = 65), "marker_threads");
        assert_eq!(field(|c| c.max_heap = 1), "max_heap");
        assert_eq!(field(|c| c.memory_limit = 1), "memory_limit");
        assert_eq!(
            field(|c| c.stress = Some(StressConfig::new(1).cycle_every(0))),
            "stress.cycle_every"
        );
    }

    #[test]
    fn barriers_have_names() {
        for barrier in [
            Barrier::Insertion,
            Barrier::Deletion,
            Barrier::Hybrid,
            Barrier::StopTheWorld,
        ] {
            assert_eq!(barrier.to_string().parse(), Ok(barrier));
        }
        let error = "none".parse::<Barrier>().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("barrier is \"none\", expected insertion")
        );
    }
}
