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
    /// Bytes of objects and external memory when the cycle started.
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
    /// Bytes of them that mutators marked.
    pub bytes_assisted: u64,
    /// Pointers that barriers handed to the markers.
    pub objects_shaded: u64,
    /// Bytes allocated between the start of the cycle and the end of marking.
    pub bytes_allocated: usize,
    /// Objects that the sweep found dead.
    pub objects_freed: u64,
    /// Bytes of their slots.
    pub bytes_freed: u64,
    /// Objects alive after the sweep.
    pub objects_live: u64,
    /// Weak references cleared.
    pub weak_cleared: u64,
    /// Marker threads (0: the mutators marked).
    pub markers: usize,
    /// The cycle was abandoned because a `trace` panicked; nothing was freed.
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
             {:.1}->{:.1}->{:.1} MB, {:.1} MB goal, {} shaded, {} freed, {} markers{}",
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
    /// Bytes allocated since the heap was made.
    pub bytes_allocated: u64,
    /// Objects alive after the last cycle's sweep.
    pub objects_live: u64,
    /// Mutators attached.
    pub mutators: usize,
    /// Cycles completed.
    pub cycles: u64,
    /// Cycles abandoned because a `trace` panicked.
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
    /// The heap size at which the next cycle starts.
    pub trigger: usize,
}

impl HeapStats {
    pub(crate) fn add(&mut self, cycle: &CycleStats) {
        self.cycles += 1;
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
