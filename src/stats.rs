//! Statistics: what a cycle did, and what a heap holds.

use core::fmt;
use std::time::Duration;

use crate::config::Barrier;

/// What one cycle did. Durations are wall-clock times of the phase, whoever worked or waited in it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CycleStats {
    /// Number of the cycle, from 1.
    pub cycle: u64,
    /// The heap's barrier.
    pub barrier: Barrier,
    /// Time from the heap's creation to the start of the cycle.
    pub start: Duration,
    /// Switching the barrier on.
    pub arming: Duration,
    /// Marking, concurrent with the mutators.
    pub marking: Duration,
    /// Agreeing that marking is over, clearing weak references, switching the barrier off.
    pub terminating: Duration,
    /// Sweeping, concurrent with the mutators.
    pub sweeping: Duration,
    /// Times that all mutators had to be outside at once.
    pub stops: u32,
    /// Longest stop: from the moment a mutator may have had to wait to the moment it could go on.
    pub longest_stop: Duration,
    /// Sum of the stops.
    pub stopped: Duration,
    /// Handshakes: each asks every mutator to act once at its own boundary or poll.
    pub handshakes: u32,
    /// Longest time from asking to the last answer.
    pub longest_handshake: Duration,
    /// Bytes of objects, of external memory, and of what objects are taken to own ([`HeapStats::bytes_owned`]), when the cycle started.
    pub heap_start: usize,
    /// The same when marking ended.
    pub heap_end: usize,
    /// The same for what was found alive or allocated since the start.
    pub heap_live: usize,
    /// The heap size that the pacer aimed at.
    pub goal: usize,
    /// Objects marked by markers and assists.
    pub objects_marked: u64,
    /// Bytes of their slots.
    pub bytes_marked: u64,
    /// Bytes of them that allocating mutators marked to pay for what they allocate.
    pub bytes_assisted: u64,
    /// Pointers that barriers handed to the markers.
    pub objects_shaded: u64,
    /// Bytes allocated between the start of the cycle and the end of marking.
    pub bytes_allocated: usize,
    /// Objects that the sweep found dead. Objects of less than 16 bytes without pointers share slots of 16, which count once; the same
    /// holds for those marked and alive.
    pub objects_freed: u64,
    /// Bytes of their slots.
    pub bytes_freed: u64,
    /// Objects alive after the sweep.
    pub objects_live: u64,
    /// Weak references cleared.
    pub weak_cleared: u64,
    /// Marker threads (0: the mutators marked).
    pub markers: usize,
    /// The cycle was minor: it kept what older cycles had found, without looking at it again.
    pub minor: bool,
    /// The cycle was abandoned because a `trace` panicked or, under Insertion, a guard was leaked; nothing was freed.
    pub abandoned: bool,
}

const MIB: f64 = 1024.0 * 1024.0;

/// The line that `TRICOLOR_GC=trace=1` prints, in the spirit of Go's `gctrace=1`.
impl fmt::Display for CycleStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        write!(
            f,
            "gc {} @{:.3}s {}: {:.3}+{:.3}+{:.3}+{:.3} ms arm+mark+end+sweep, {} stops {:.1} µs, \
             {:.1}->{:.1}->{:.1} MB, {:.1} MB goal, {} shaded, {} freed, {} markers{}{}",
            self.cycle,
            self.start.as_secs_f64(),
            self.barrier,
            ms(self.arming),
            ms(self.marking),
            ms(self.terminating),
            ms(self.sweeping),
            self.stops,
            self.longest_stop.as_secs_f64() * 1e6,
            self.heap_start as f64 / MIB,
            self.heap_end as f64 / MIB,
            self.heap_live as f64 / MIB,
            self.goal as f64 / MIB,
            self.objects_shaded,
            self.objects_freed,
            self.markers,
            if self.minor { ", minor" } else { "" },
            if self.abandoned { ", abandoned" } else { "" },
        )
    }
}

/// What a heap holds and what its cycles have done so far.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HeapStats {
    /// Bytes of objects: alive after the last cycle, or allocated since. Exact to the free runs of the mutators.
    pub bytes_live: usize,
    /// Bytes of pages that hold objects.
    pub bytes_in_use: usize,
    /// Bytes of memory backed by the operating system, an upper bound.
    pub bytes_committed: usize,
    /// Bytes that the embedder has reported with `account`.
    pub bytes_external: usize,
    /// Bytes that objects are taken to own outside of the heap, in vectors, strings, boxes and maps: an estimate by samples, which counts
    /// when the next cycle is due, and for no hard limit. What is not seen is said in the [crate's documentation](crate#memory-that-objects-own).
    pub bytes_owned: usize,
    /// Bytes allocated since the heap was made. Mutators report them a run of slots at a time: up to a kilobyte of each one's last
    /// allocations may be missing, and up to a span (mostly 16 KiB) of each type be counted ahead.
    pub bytes_allocated: u64,
    /// Objects alive after the last cycle's sweep.
    pub objects_live: u64,
    /// Mutators attached.
    pub mutators: usize,
    /// Cycles completed.
    pub cycles: u64,
    /// Minor ones among them; see [`CycleStats::minor`].
    pub cycles_minor: u64,
    /// Cycles that were abandoned; see [`CycleStats::abandoned`].
    pub cycles_abandoned: u64,
    /// Stops of all cycles.
    pub stops: u64,
    /// Longest stop.
    pub longest_stop: Duration,
    /// Sum of all stops.
    pub stopped: Duration,
    /// Longest time from asking a handshake to its last answer.
    pub longest_handshake: Duration,
    /// Time spent marking, wall clock.
    pub marking: Duration,
    /// Bytes marked by assisting mutators.
    pub bytes_assisted: u64,
    /// Time spent sweeping, wall clock.
    pub sweeping: Duration,
    /// Pointers that barriers handed to the markers.
    pub objects_shaded: u64,
    /// Objects freed.
    pub objects_freed: u64,
    /// Destructors that panicked; the panic was contained.
    pub drops_panicked: u64,
    /// Objects that were never dropped because the thread that had to do it has ended.
    pub drops_leaked: u64,
    /// The heap size, with what is external and owned, at which the next cycle starts, or earlier where many pages are partly empty.
    pub trigger: usize,
}

/// One line: what the heap holds now, and what its cycles have done. What should not happen is there only if it has.
///
/// ```
/// use tricolor_gc::Heap;
///
/// let heap = Heap::new();
/// heap.attach().collect();
/// let line = heap.stats().to_string();
/// assert!(line.starts_with("heap 0.0 MB live"), "{line}");
/// assert!(line.contains("; 1 cycles"), "{line}");
/// ```
impl fmt::Display for HeapStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: usize| bytes as f64 / MIB;
        write!(
            f,
            "heap {:.1} MB live, {:.1} MB in use, {:.1} MB committed, {:.1} MB external, \
             {:.1} MB owned, {:.1} MB trigger, {} mutators; {} cycles, {:.3}+{:.3} ms mark+sweep, {} stops {:.1} µs, \
             {} freed, {} live, {:.1} MB allocated",
            mb(self.bytes_live),
            mb(self.bytes_in_use),
            mb(self.bytes_committed),
            mb(self.bytes_external),
            mb(self.bytes_owned),
            mb(self.trigger),
            self.mutators,
            self.cycles,
            self.marking.as_secs_f64() * 1e3,
            self.sweeping.as_secs_f64() * 1e3,
            self.stops,
            self.longest_stop.as_secs_f64() * 1e6,
            self.objects_freed,
            self.objects_live,
            self.bytes_allocated as f64 / MIB,
        )?;
        let failures = [
            (self.cycles_abandoned, "cycles abandoned"),
            (self.drops_panicked, "drops panicked"),
            (self.drops_leaked, "drops leaked"),
        ];
        for (count, what) in failures.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}

impl HeapStats {
    pub(crate) fn add(&mut self, cycle: &CycleStats) {
        self.cycles += 1;
        self.cycles_minor += u64::from(cycle.minor);
        self.cycles_abandoned += u64::from(cycle.abandoned);
        self.stops += u64::from(cycle.stops);
        self.longest_stop = self.longest_stop.max(cycle.longest_stop);
        self.stopped += cycle.stopped;
        self.longest_handshake = self.longest_handshake.max(cycle.longest_handshake);
        self.marking += cycle.marking;
        self.bytes_assisted += cycle.bytes_assisted;
        self.sweeping += cycle.sweeping;
        self.objects_shaded += cycle.objects_shaded;
        self.objects_freed += cycle.objects_freed;
        self.objects_live = cycle.objects_live;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_heap_are_one_line() {
        let mut stats = HeapStats {
            bytes_live: 3 << 19,
            bytes_in_use: 2 << 20,
            bytes_committed: 4 << 20,
            bytes_external: 1 << 20,
            bytes_owned: 3 << 20,
            bytes_allocated: 1 << 30,
            objects_live: 1234,
            mutators: 2,
            cycles: 12,
            stops: 1,
            longest_stop: Duration::from_nanos(12_340),
            marking: Duration::from_micros(4_500),
            sweeping: Duration::from_micros(250),
            objects_freed: 99,
            trigger: 3 << 20,
            ..HeapStats::default()
        };
        let line = "heap 1.5 MB live, 2.0 MB in use, 4.0 MB committed, 1.0 MB external, 3.0 MB owned, 3.0 MB trigger, 2 mutators; \
                    12 cycles, 4.500+0.250 ms mark+sweep, 1 stops 12.3 µs, 99 freed, 1234 live, 1024.0 MB allocated";
        assert_eq!(stats.to_string(), line);
        stats.cycles_abandoned = 1;
        stats.drops_leaked = 3;
        let failures = ", 1 cycles abandoned, 3 drops leaked";
        assert_eq!(stats.to_string(), format!("{line}{failures}"));
    }
}
