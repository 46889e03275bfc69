//! The pacer: when a cycle starts and how much allocating mutators help. Pure functions over plain numbers.
//!
//! After Go's (mgcpacer.go), reduced:
//!
//! - *goal* = live + (live + `min_heap`) · growth_percent/100, at most the memory limit: `min_heap` plays the part of Go's
//!   roots and least heap, and keeps small heaps from collecting all the time. Of what was allocated while the cycle ran,
//!   which it keeps unseen, a quarter counts as live: it is young, and most of it is garbage already;
//! - *trigger* = goal − runway, where runway is what would have been allocated during the last cycles had the background
//!   markers done all the marking (the largest of the last four, plus a tenth), clamped so that the trigger lies between
//!   70 % and 95 % of the way from live to goal;
//! - *assist ratio* = bytes still to mark per byte that may still be allocated before the goal: a mutator that allocates
//!   `n` bytes owes `n · ratio` bytes of marking, paid from the credit of the background markers first. Debt grows
//!   without bound as the goal nears, so allocation cannot outrun marking.

/// What the pacer decides after a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Heap size to stay under.
    pub(crate) goal: usize,
    /// Heap size at which the next cycle starts.
    pub(crate) trigger: usize,
}

/// What a cycle cost, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// Allocated from its start to the end of marking.
    pub(crate) allocated: usize,
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
}

impl Pacer {
    pub(crate) fn new(growth_percent: u32, memory_limit: usize, min_heap: usize) -> Self {
        Pacer {
            growth_percent,
            memory_limit,
            min_heap,
            runways: [0; 4],
            cycles: 0,
        }
    }

    /// A cycle left `live` bytes.
    pub(crate) fn cycle_ended(&mut self, cycle: Work, live: usize) -> Plan {
        // What mutators marked, and the time it took them, would have been the markers'.
        let background = cycle
            .marked
            .saturating_sub(cycle.assisted)
            .max(cycle.marked / 8)
            .max(1);
        let runway = cycle.allocated as u128 * cycle.marked.max(1) as u128 / background as u128;
        self.runways[self.cycles % 4] = usize::try_from(runway).unwrap_or(usize::MAX);
        self.cycles += 1;
        let marked = usize::try_from(cycle.marked).unwrap_or(usize::MAX);
        let unseen = live.saturating_sub(marked).min(cycle.allocated);
        self.plan_for(live, live - unseen / 4 * 3)
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
        let wanted = lasting.saturating_add(growth(lasting.saturating_add(self.min_heap)));
        // What is there cannot be wished away, and without some room the collector would run all the time.
        let floor = live.saturating_add((live / 16).max(self.min_heap / 4));
        let goal = wanted.min(self.memory_limit).max(floor);
        let headroom = goal - live.min(goal);
        let runway = *self.runways.iter().max().unwrap_or(&0);
        let runway = runway.saturating_add(runway / 10);
        let lowest = live.saturating_add(headroom / 10 * 7);
        let highest = live.saturating_add(headroom / 20 * 19).max(lowest);
        let trigger = goal.saturating_sub(runway).clamp(lowest, highest);
        Plan { goal, trigger }
    }
}

/// Bytes of marking owed per byte allocated, times 256.
pub(crate) fn assist_ratio(to_mark: usize, heap: usize, goal: usize) -> u64 {
    let left = goal.saturating_sub(heap).max(64 << 10);
    (to_mark as u64).saturating_mul(256) / left as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    #[test]
    fn goal_grows_what_lives_and_the_minimum() {
        let pacer = Pacer::new(100, usize::MAX, 4 * MB);
        assert_eq!(pacer.plan(0).goal, 4 * MB);
        assert_eq!(pacer.plan(100 * MB).goal, 204 * MB);
        let pacer = Pacer::new(50, usize::MAX, 4 * MB);
        assert_eq!(pacer.plan(100 * MB).goal, 152 * MB);
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
            allocated,
            marked: 100 << 20,
            assisted: 0,
        };
        let plan = pacer.cycle_ended(work(10 * MB), 100 * MB);
        assert_eq!(plan.trigger, 193 * MB);
        let assisted = Work {
            assisted: 50 << 20,
            ..work(10 * MB)
        };
        assert_eq!(pacer.cycle_ended(assisted, 100 * MB).trigger, 182 * MB);
        assert!(pacer.cycle_ended(work(500 * MB), 100 * MB).trigger >= 169 * MB);
        for _ in 0..4 {
            pacer.cycle_ended(work(0), 100 * MB);
        }
        assert!(pacer.plan(100 * MB).trigger <= 199 * MB);
    }

    #[test]
    fn extreme_sizes_do_not_overflow() {
        let plan = Pacer::new(100_000, usize::MAX, 4 * MB).plan(usize::MAX / 2);
        assert!(plan.trigger <= plan.goal);
        assert!(assist_ratio(usize::MAX, 0, 0) > 0);
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
        let far = assist_ratio(100 * MB, 110 * MB, 200 * MB);
        let near = assist_ratio(100 * MB, 190 * MB, 200 * MB);
        let past = assist_ratio(100 * MB, 300 * MB, 200 * MB);
        assert!(far < near && near < past);
    }
}
