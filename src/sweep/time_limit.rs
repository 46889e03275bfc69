//! How long a mutator drops objects at a time.
//!
//! A mutator that sweeps what it allocates from runs the destructors of what it finds dead there, and a span may hold five hundred objects that own
//! hundreds of allocations each: thirty milliseconds' work, in one allocation. So it stops when its time is over, in the middle of a span
//! if need be, and takes room that is free already, or new; whoever comes next goes on with the span. How much time it has is said in
//! [`deferral`](super::deferral): more, the later the sweep is. The background sweeper has no limit.

use std::time::{Duration, Instant};

use crate::sync::now;

/// What an allocation spends on destructors as a rule, twice at most: when it looks for a slot, and when that is charged. What the last of them take
/// comes to it.
pub(crate) const LONGEST: Duration = Duration::from_micros(200);

/// Objects between two looks at the clock, at most. A look takes as long as a cheap destructor.
const STRIDE: u32 = 64;

/// The time that is left for destructors, from the first of them on.
pub(crate) struct TimeLimit {
    limit: Option<Duration>,
    began: Option<Instant>,
    dropped: u32,
    /// Which object's destructor a look at the clock follows next.
    next: u32,
    over: bool,
}

impl TimeLimit {
    /// No limit.
    pub(crate) fn none() -> Self {
        TimeLimit {
            limit: None,
            began: None,
            dropped: 0,
            next: u32::MAX,
            over: false,
        }
    }

    /// So much time.
    pub(crate) fn of(limit: Duration) -> Self {
        TimeLimit {
            limit: Some(limit),
            next: 1,
            ..Self::none()
        }
    }

    /// Destructors come next.
    pub(crate) fn begin(&mut self) {
        if self.limit.is_some() && self.began.is_none() {
            self.began = Some(now());
        }
    }

    /// Another object has been dropped; whether the time is over.
    #[inline]
    pub(crate) fn ends_after_drop(&mut self) -> bool {
        self.dropped = self.dropped.saturating_add(1);
        if self.dropped >= self.next
            && let (Some(limit), Some(began)) = (self.limit, self.began)
        {
            self.look(limit, began.elapsed());
        }
        self.over
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// A look at the clock; the next one is when half of what is left will be over, as far as one can tell.
    fn look(&mut self, limit: Duration, elapsed: Duration) {
        let Some(left) = limit.checked_sub(elapsed) else {
            self.over = true;
            return;
        };
        let each = elapsed.as_nanos() / u128::from(self.dropped) + 1;
        // No more than have been seen: the next ones may be of another kind.
        let most = u128::from(STRIDE.min(self.dropped));
        let stride = (left.as_nanos() / each / 2).clamp(1, most);
        self.next = self.dropped.saturating_add(stride as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_rare_and_closer_towards_the_end() {
        let micros = Duration::from_micros;
        let mut time = TimeLimit::of(micros(200));
        let mut looks = Vec::new();
        time.dropped = 1;
        while !time.over {
            time.look(micros(200), micros(2) * time.dropped);
            looks.push(time.dropped);
            time.dropped = time.next;
        }
        assert_eq!(looks[..6], [1, 2, 4, 8, 16, 32]);
        let last = looks[looks.len() - 1];
        assert!((100..=101).contains(&last), "{looks:?}");
        assert!(looks.len() < 20, "{looks:?}");
        let mut time = TimeLimit::of(micros(200));
        time.dropped = 1;
        time.look(micros(200), Duration::from_nanos(1));
        assert_eq!(time.next, 2, "the next ones may take long");
        time.dropped = 1000;
        time.look(micros(200), Duration::from_nanos(1));
        assert_eq!(time.next, 1000 + STRIDE);
    }

    #[test]
    fn time_is_over_once_it_has_begun() {
        let mut time = TimeLimit::of(Duration::ZERO);
        time.begin();
        std::thread::sleep(Duration::from_millis(1));
        assert!(!time.is_over(), "one at least");
        assert!(time.ends_after_drop() && time.is_over());
        let mut time = TimeLimit::none();
        time.begin();
        assert!((0..1000).all(|_| !time.ends_after_drop()));
    }
}
