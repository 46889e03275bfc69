//! Planted bugs: rare errors that the stress mode and the verifier must catch (`tests/planted.rs`).
//!
//! A test that reports nothing may be looking at nothing. In a build with `--cfg tricolor_twin="planted"` (`ci/planted.sh`)
//! the environment variable `TRICOLOR_TWIN` chooses what goes wrong: a [`Planted`] bug by its name, now and then, or a
//! [`Twin`](super::twin::Twin) by its name, always. In all other builds the answer is a constant that costs nothing.

/// What goes wrong now and then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Planted {
    /// Every 1000th shade of an unmarked object is dropped.
    DropsShades,
    /// Every 1000th write to a cell while a barrier is on claims nothing and shades nothing.
    SkipsClaims,
    /// Every 1000th root made while a barrier is on does not shade its target.
    DropsRootShades,
    /// Of 100 000 live objects that a sweep meets it frees one.
    SweepsLive,
}

#[cfg(not(tricolor_twin = "planted"))]
mod off {
    use super::Planted;

    /// Whether it goes wrong this time.
    #[inline(always)]
    pub(crate) const fn strikes(_: Planted) -> bool {
        false
    }

    /// The bits of live slots, as the sweep is to see them.
    #[inline(always)]
    pub(crate) const fn seen(_: Planted, live: u64) -> u64 {
        live
    }
}
#[cfg(not(tricolor_twin = "planted"))]
pub(crate) use off::*;

#[cfg(tricolor_twin = "planted")]
mod on {
    use core::fmt::Debug;
    use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
    use std::sync::OnceLock;

    use super::Planted;

    /// Whether `TRICOLOR_TWIN` is the name of `bug`.
    fn is_chosen(bug: impl Debug) -> bool {
        static CHOSEN: OnceLock<String> = OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| std::env::var("TRICOLOR_TWIN").unwrap_or_default());
        !chosen.is_empty() && format!("{bug:?}") == *chosen
    }

    /// As [`is_chosen`], which is asked once per `index`, or more often at first: the answer is the same (Relaxed).
    pub(crate) fn is(index: usize, bug: impl Debug) -> bool {
        const UNKNOWN: u8 = 0;
        const NO: u8 = 1;
        const YES: u8 = 2;
        static ANSWERS: [AtomicU8; 256] = [const { AtomicU8::new(UNKNOWN) }; 256];
        let answer = &ANSWERS[index];
        if answer.load(Ordering::Relaxed) == UNKNOWN {
            answer.store(if is_chosen(bug) { YES } else { NO }, Ordering::Relaxed);
        }
        answer.load(Ordering::Relaxed) == YES
    }

    /// Indices of planted bugs come after those of twins.
    const FIRST: usize = 200;

    /// Whether it goes wrong this time. (Relaxed, as below: a count.)
    pub(crate) fn strikes(bug: Planted) -> bool {
        static TIMES: AtomicU64 = AtomicU64::new(0);
        is(FIRST + bug as usize, bug) && TIMES.fetch_add(1, Ordering::Relaxed) % 1000 == 999
    }

    /// The bits of live slots, as the sweep is to see them.
    pub(crate) fn seen(bug: Planted, live: u64) -> u64 {
        const EVERY: u64 = 100_000;
        static SEEN: AtomicU64 = AtomicU64::new(0);
        if !is(FIRST + bug as usize, bug) {
            return live;
        }
        let count = u64::from(live.count_ones());
        let before = SEEN.fetch_add(count, Ordering::Relaxed);
        if before / EVERY == (before + count) / EVERY {
            live
        } else {
            live & live.wrapping_sub(1)
        }
    }
}
#[cfg(tricolor_twin = "planted")]
pub(crate) use on::*;
