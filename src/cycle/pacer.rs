//! The pacer: when a cycle starts and how much allocating mutators help. Pure functions over plain numbers.
//!
//! After Go's (mgcpacer.go), reduced:
//!
//! - *goal* = live + (live · 15/16 + least) · growth_percent/100, at most the memory limit: *least* plays the part of Go's roots
//!   and least heap, and keeps small heaps from collecting all the time; it is `min_heap` and an eighth of what lives, at most as much
//!   again. The sixteenth is for mark bytes, so that all memory, theirs too, grows by what was asked for. What was allocated while the
//!   cycle ran is kept unseen. It counts as live in the proportion in which what was allocated before the cycle survived it: all of it
//!   while a program builds its data, next to nothing later, half of it in the first cycle.
//!   After a minor cycle the goal of the full one before it stands;
//! - *trigger* = goal − runway, where runway is what would have been allocated during the last cycles had the background
//!   markers done all the marking (the largest of the last four, plus a tenth), clamped so that the trigger lies between
//!   80 % and 95 % of the way from live to goal: earlier cycles would find more of what they allocate floating, and be more;
//! - *sparse* = a third of that way, or the least room there is: where a heap starts a cycle if its pages come to more than the goal,
//!   because many are half empty, and it has taken more since the last cycle. Objects that give way to others of another size
//!   leave such pages, which no object of the new size can use: the sooner the dead ones among them are found, the fewer there are.
//!   At most three times as many cycles, and none where what is half empty is used again (strings that all grow: 137 MiB at a peak of
//!   43 alive without, 105 with, in the same time; `strings` in `benches/peers`);
//! - *assist ratio* = bytes to mark per byte of the second half of what may be allocated before the goal: a mutator that allocates
//!   `n` bytes there owes `n · ratio` bytes of marking, paid from the credit of the background markers first. The ratio is such
//!   that all is marked when the goal is reached; a mutator pays a piece at a time, and past the goal its boundaries hold it up
//!   (`demand`). In the first half nobody owes anything: most cycles, minor ones above all, end before it is used up, and an assist
//!   takes as long as thousands of allocations.

/// What the pacer decides after a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Heap size to stay under.
    pub(crate) goal: usize,
    /// Heap size at which the next cycle starts.
    pub(crate) trigger: usize,
    /// Heap size at which it starts if the pages in use come to more than the goal, and grow.
    pub(crate) sparse: usize,
}

/// What a cycle cost, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// The heap at its start.
    pub(crate) start: usize,
    /// Allocated from its start to the end of marking.
    pub(crate) allocated: usize,
    /// The same, with what is outside of the heap.
    pub(crate) grown: usize,
    /// Marked.
    pub(crate) marked: u64,
    /// Marked by mutators.
    pub(crate) assisted: u64,
}

/// Settings and history.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    pub(crate) growth_percent: u32,
    pub(crate) memory_limit: usize,
    pub(crate) min_heap: usize,
    runways: [usize; 4],
    cycles: usize,
    /// Marked by the last cycle.
    marked: usize,
}

impl Pacer {
    pub(crate) fn new(growth_percent: u32, memory_limit: usize, min_heap: usize) -> Self {
        Pacer {
            growth_percent,
            memory_limit,
            min_heap,
            runways: [0; 4],
            cycles: 0,
            marked: 0,
        }
    }

    /// A cycle left `live` bytes; there are `external` ones besides.
    pub(crate) fn cycle_ended(&mut self, cycle: Work, live: usize, external: usize) -> Plan {
        // What mutators marked, and the time it took them, would have been the markers'.
        let background = cycle
            .marked
            .saturating_sub(cycle.assisted)
            .max(cycle.marked / 8)
            .max(1);
        let runway = cycle.grown as u128 * cycle.marked.max(1) as u128 / background as u128;
        self.runways[self.cycles % 4] = usize::try_from(runway).unwrap_or(usize::MAX);
        self.cycles += 1;
        let marked = usize::try_from(cycle.marked).unwrap_or(usize::MAX);
        let unseen = live.saturating_sub(marked).min(cycle.allocated);
        // Of what was allocated since the last cycle began, so much was still there when this one did.
        let since = cycle.start.saturating_sub(self.marked).max(1) as u128;
        let survived = match self.cycles {
            // Nothing was before the first, and nobody knows what of it will stay.
            1 => since / 2,
            _ => (marked.saturating_sub(self.marked) as u128).min(since),
        };
        self.marked = marked;
        let lost = (unseen as u128 * (since - survived) / since) as usize;
        let live = live.saturating_add(external);
        self.plan_for(live, live - lost)
    }

    /// A minor cycle left `live` bytes and `external` ones: the goal of the full one before still holds.
    pub(crate) fn minor_cycle_ended(
        &mut self,
        cycle: Work,
        live: usize,
        external: usize,
        goal: usize,
    ) -> Plan {
        self.marked = live - cycle.allocated.min(live);
        self.plan_below(live.saturating_add(external), goal)
    }

    /// The plan for a heap of `live` bytes.
    pub(crate) fn plan(&self, live: usize) -> Plan {
        self.plan_for(live, live)
    }

    /// The plan for a heap that holds `live` bytes, of which it expects `lasting` to stay.
    fn plan_for(&self, live: usize, lasting: usize) -> Plan {
        let growth = |bytes: usize| {
            (bytes as u128 * u128::from(self.growth_percent) / 100).min(usize::MAX as u128) as usize
        };
        let least = self
            .min_heap
            .saturating_add((lasting / 8).min(self.min_heap));
        // A sixteenth of the room is for the mark bytes, which are no part of what is counted.
        let room = (lasting - lasting / 16).saturating_add(least);
        let wanted = lasting.saturating_add(growth(room));
        self.plan_below(live, wanted.min(self.memory_limit))
    }

    /// The plan for a heap that holds `live` bytes and should stay below `goal`.
    fn plan_below(&self, live: usize, goal: usize) -> Plan {
        // What is there cannot be wished away, and without some room the collector would run all the time.
        let least = (live / 16).max(self.min_heap / 4);
        let goal = goal.max(live.saturating_add(least));
        let headroom = goal - live.min(goal);
        let runway = *self.runways.iter().max().unwrap_or(&0);
        let runway = runway.saturating_add(runway / 10);
        let lowest = live.saturating_add(headroom / 10 * 8);
        let highest = live.saturating_add(headroom / 20 * 19).max(lowest);
        let trigger = goal.saturating_sub(runway).clamp(lowest, highest);
        Plan {
            goal,
            trigger,
            sparse: live.saturating_add((headroom / 3).max(least)),
        }
    }
}

/// A trigger that leaves half of the room below the hard limit `max` to what is allocated while the cycle runs, and to pages that
/// are partly free, but a sixty-fourth of it: a heap that is full of what lives is not to collect all the time.
pub(crate) fn below_limit(trigger: usize, live: usize, max: usize) -> usize {
    let room = max.saturating_sub(live);
    trigger.min(live.saturating_add((room / 2).max(max / 64)))
}

/// When and how much mutators help a cycle that begins to mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assists {
    /// Heap size from which on they do.
    pub(crate) from: usize,
    /// Bytes of marking owed per byte allocated from there on, times 256.
    pub(crate) ratio: u64,
}

impl Assists {
    /// In a heap of `heap` bytes, of which `to_mark` are to be marked before it is larger than `goal`.
    pub(crate) fn new(to_mark: usize, heap: usize, goal: usize) -> Assists {
        let half = goal.saturating_sub(heap) / 2;
        Assists {
            from: heap.saturating_add(half),
            ratio: (to_mark as u64).saturating_mul(256) / half.max(32 << 10) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    #[test]
    fn goal_grows_what_lives_and_the_minimum() {
        let pacer = Pacer::new(100, usize::MAX, 4 * MB);
        assert_eq!(pacer.plan(0).goal, 4 * MB);
        assert_eq!(pacer.plan(2 * MB).goal, 4 * MB - MB / 8 + 4 * MB + MB / 4);
        assert_eq!(pacer.plan(96 * MB).goal, 194 * MB);
        let pacer = Pacer::new(50, usize::MAX, 4 * MB);
        assert_eq!(pacer.plan(96 * MB).goal, 145 * MB);
    }

    #[test]
    fn a_sparse_heap_may_grow_by_a_third_of_its_room() {
        let pacer = Pacer::new(100, usize::MAX, 4 * MB);
        let plan = pacer.plan(96 * MB);
        assert_eq!(plan.sparse, 96 * MB + 98 * MB / 3);
        let full = Pacer::new(100, MB, 4 * MB).plan(96 * MB);
        assert_eq!(full.sparse, 102 * MB, "as far as the goal");
    }

    #[test]
    fn the_memory_limit_lowers_the_goal_but_leaves_room() {
        let pacer = Pacer::new(100, 150 * MB, 4 * MB);
        assert_eq!(pacer.plan(100 * MB).goal, 150 * MB);
        let over = pacer.plan(160 * MB);
        assert_eq!(over.goal, 170 * MB);
        assert!(over.trigger > 160 * MB && over.trigger < over.goal);
    }

    #[test]
    fn the_trigger_leaves_a_runway_within_bounds() {
        let mut pacer = Pacer::new(100, usize::MAX, 4 * MB);
        let work = |allocated| Work {
            start: 150 * MB,
            allocated,
            grown: allocated,
            marked: 100 << 20,
            assisted: 0,
        };
        let plan = pacer.cycle_ended(work(10 * MB), 96 * MB, 0);
        // The goal is 194 MB.
        assert_eq!(plan.trigger, 183 * MB);
        let assisted = Work {
            assisted: 25 << 20,
            ..work(10 * MB)
        };
        // A third more.
        let trigger = pacer.cycle_ended(assisted, 96 * MB, 0).trigger;
        assert_eq!(trigger / MB, 179);
        assert!(pacer.cycle_ended(work(500 * MB), 96 * MB, 0).trigger >= 172 * MB);
        for _ in 0..4 {
            pacer.cycle_ended(work(0), 96 * MB, 0);
        }
        // 95 % of the way from 96 to 194.
        assert!(pacer.plan(96 * MB).trigger <= 190 * MB);
    }

    #[test]
    fn what_no_cycle_has_seen_counts_as_its_elders_survived() {
        let mut pacer = Pacer::new(100, usize::MAX, 0);
        let cycle = |start, marked| Work {
            start: start * MB,
            allocated: 20 * MB,
            grown: 20 * MB,
            marked: (marked << 20) as u64,
            assisted: 0,
        };
        let goal = |lasting: usize| lasting * MB + lasting * MB / 16 * 15;
        // The first: half of it.
        assert_eq!(
            pacer.cycle_ended(cycle(100, 100), 120 * MB, 0).goal,
            goal(110)
        );
        // Everything allocated since was still there: so may be the rest.
        assert_eq!(
            pacer.cycle_ended(cycle(150, 150), 170 * MB, 0).goal,
            goal(170)
        );
        // Nothing of what came after the first cycle began.
        assert_eq!(
            pacer.cycle_ended(cycle(200, 100), 120 * MB, 0).goal,
            goal(100)
        );
        // Half of it.
        assert_eq!(
            pacer.cycle_ended(cycle(200, 150), 170 * MB, 0).goal,
            goal(160)
        );
        // What is outside the heap has been counted already.
        assert_eq!(
            pacer.cycle_ended(cycle(200, 150), 170 * MB, MB).goal,
            goal(151)
        );
    }

    #[test]
    fn a_minor_cycle_leaves_the_goal_where_it_is() {
        let mut pacer = Pacer::new(100, usize::MAX, 0);
        let work = |allocated, marked| Work {
            start: 150 * MB,
            allocated: allocated * MB,
            grown: allocated * MB,
            marked: (marked << 20) as u64,
            assisted: 0,
        };
        let goal = pacer.cycle_ended(work(4, 96), 100 * MB, 0).goal;
        let minor = pacer.minor_cycle_ended(work(1, 2), 103 * MB, 0, goal);
        assert_eq!(minor.goal, goal);
        assert!(minor.trigger > 103 * MB && minor.trigger < goal);
        let full_up = pacer.minor_cycle_ended(work(1, 2), goal, 0, goal);
        assert!(full_up.goal > goal && full_up.trigger > goal);
        // What is alive after the minor cycles is what the next full one is measured by.
        assert_eq!(pacer.marked, goal - MB);
    }

    #[test]
    fn extreme_sizes_do_not_overflow() {
        let plan = Pacer::new(100_000, usize::MAX, 4 * MB).plan(usize::MAX / 2);
        assert!(plan.trigger <= plan.goal);
        assert!(Assists::new(usize::MAX, 0, 0).ratio > 0);
        assert_eq!(Assists::new(1, usize::MAX, 0).from, usize::MAX);
    }

    #[test]
    fn any_headroom_leaves_room_for_a_trigger() {
        for min_heap in 0..200 {
            let plan = Pacer::new(100, usize::MAX, min_heap).plan(16);
            assert!(plan.trigger >= 16 && plan.trigger <= plan.goal.max(16));
        }
    }

    #[test]
    fn debt_grows_as_the_goal_nears() {
        let assists = |heap| Assists::new(100 * MB, heap * MB, 200 * MB);
        assert_eq!(assists(100).from, 150 * MB);
        assert_eq!(assists(300).from, 300 * MB, "nothing is left");
        let [far, near, past] = [110, 190, 300].map(|heap| assists(heap).ratio);
        assert!(far < near && near < past);
    }

    /// All is marked when the goal is reached, if nobody but mutators marks.
    #[test]
    fn assists_are_enough() {
        for heap in [100, 150, 199] {
            let assists = Assists::new(100 * MB, heap * MB, 200 * MB);
            let allocated = (200 * MB - assists.from) as u64;
            let owed = allocated * assists.ratio / 256;
            assert!(owed > 99 << 20, "{heap}: {owed}");
        }
    }
}
