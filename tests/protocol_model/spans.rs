//! Models with a span, in whose slots objects 3 to 5 lie. A mutator takes it off its list into its cache, and its free slots by runs, whose marks are
//! those of the objects to come (`src/heap/cache.rs`, `src/heap/class.rs`); when its barrier goes off it gives back what it has. Who takes the span off
//! its list while the sweep goes on sweeps it first (`src/sweep.rs`).
//!
//! There is no other span: a mutator that could only take a new one allocates nothing.

use crate::allocation;
use crate::collector::{GC, end, sweep_object};
use crate::search::{Next, Wrong};
use crate::state::{Barrier, Colour, Config, Mode, Stage, State, Twin, bit};
use crate::{BARRIERS, base, is_caught, is_safe};

/// Where the span waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum List {
    None,
    Swept,
    Unswept,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Span {
    list: List,
    /// Mutators that have it in their caches: one at most, and it is on no list then.
    cached: u8,
    /// Free slots that are in no run.
    free: u8,
    /// What is left of each mutator's run.
    run: [u8; 2],
}

/// Its slots.
const SLOTS: u8 = 0b1_1100;

impl Span {
    /// As it is at the start, on its list.
    pub(crate) fn at_start(live: u8) -> Span {
        Span {
            list: List::Swept,
            cached: 0,
            free: SLOTS & !live,
            run: [0; 2],
        }
    }

    fn is_cached(&self, i: usize) -> bool {
        self.cached >> i & 1 == 1
    }
}

impl State {
    /// Mutator `i` adopts the command in force: what that does to its cache, see `MutatorState::adopt`.
    pub(crate) fn turn_cache(&mut self, config: &Config, i: usize) {
        let (before, now) = (self.m[i].command, self.command);
        let Some(span) = &mut self.span else {
            return;
        };
        let another = before.mode != Mode::Off || before.cycle != now.cycle;
        if now.mode == Mode::Off && another && !config.is(Twin::CacheKeptAtOff) {
            if span.is_cached(i) {
                span.cached &= !(1 << i);
                // (In twins it may be on a list already.)
                if span.list == List::None {
                    span.list = List::Swept;
                }
            }
            if !config.is(Twin::RunKeptAtOff) {
                let unused = core::mem::take(&mut span.run[i]);
                span.free |= unused;
                self.marks &= !unused;
                self.fresh &= !unused;
                self.early &= !unused;
            }
        } else if span.is_cached(i) && !config.is(Twin::NotBlackened) {
            let run = span.run[i];
            self.colour_run(now.colour, run);
        }
    }

    /// The unused slots of a run get the colour of new objects.
    fn colour_run(&mut self, colour: Colour, run: u8) {
        match colour {
            Colour::White => {}
            Colour::Early => self.early |= run,
            Colour::Black => (self.early, self.fresh) = (self.early & !run, self.fresh | run),
        }
    }

    /// Mutator `i` uses a slot of its run, whose mark is there already.
    pub(crate) fn use_slot(&mut self, i: usize, slot: u8) {
        if self.live & bit(slot) != 0 {
            self.wrong = Some(Wrong::TwoObjects);
        }
        self.live |= bit(slot);
        if let Some(span) = &mut self.span {
            span.run[i] &= !bit(slot);
        }
    }

    /// The sweep begins.
    pub(crate) fn list_unswept(&mut self, config: &Config) {
        if let Some(span) = &mut self.span
            && (span.list == List::Swept || config.is(Twin::CachedSwept))
        {
            span.list = List::Unswept;
        }
    }

    /// Sweeps the objects of the span: which slots will be free.
    fn sweep_objects(&mut self, config: &Config, span: Span) -> u8 {
        let taken = SLOTS & !span.free;
        let kept = taken & self.surviving();
        let objects = taken & self.live;
        for object in (1..=config.objects).filter(|&o| objects & bit(o) != 0) {
            sweep_object(config, self, object);
        }
        // What was allocated black is young again.
        self.fresh &= !SLOTS;
        self.early &= !SLOTS;
        SLOTS & !kept
    }
}

/// Mutator `i` takes the span, or allocates in it.
pub(crate) fn allocate(config: &Config, s: &State, i: usize, mut span: Span, next: &mut Vec<Next>) {
    let mut n = *s;
    if span.run[i] == 0 && !span.is_cached(i) {
        return take_span(config, n, i, span, next);
    }
    if span.run[i] == 0 {
        // The first free slots that lie side by side.
        let run = span.free & !(span.free + (span.free & span.free.wrapping_neg()));
        span.free &= !run;
        span.run[i] = run;
        n.span = Some(span);
        if allocation::is_before_sweep(s, i) {
            n.fresh |= run;
        } else {
            n.colour_run(s.m[i].command.colour, run);
        }
    }
    if span.run[i] != 0 {
        let slot = span.run[i].trailing_zeros() as u8 + 1;
        allocation::allocate(config, &n, i, slot, next);
    }
}

fn take_span(config: &Config, mut n: State, i: usize, mut span: Span, next: &mut Vec<Next>) {
    if allocation::is_before_sweep(&n, i) {
        return;
    }
    let what = match span.list {
        List::Swept if span.free != 0 => "takes the span",
        List::Unswept => {
            span.free = n.sweep_objects(config, span);
            "takes the span and sweeps it"
        }
        List::None | List::Swept => return,
    };
    if span.free == 0 {
        span.list = List::Swept;
    } else {
        span.cached |= 1 << i;
        if !config.is(Twin::StaysListed) {
            span.list = List::None;
        }
    }
    n.span = Some(span);
    next.push((n, i, what, 0, 0));
}

/// The collector takes the span and sweeps it, or has nothing more to sweep.
pub(crate) fn sweep(config: &Config, s: &State, stage: u8, mut span: Span, next: &mut Vec<Next>) {
    let mut n = *s;
    n.work = 0;
    if stage != 1 || span.list != List::Unswept {
        return end(n, next);
    }
    span.list = List::None;
    n.span = Some(span);
    n.stage = Stage::Free(n.sweep_objects(config, span));
    next.push((n, GC, "sweeps the objects of the span", 0, 0));
}

/// It says which slots are free, and puts the span on its list.
pub(crate) fn free(s: &State, free: u8, next: &mut Vec<Next>) {
    let mut n = *s;
    if let Some(span) = &mut n.span {
        (span.list, span.free) = (List::Swept, free);
    }
    n.stage = Stage::Sweep(2);
    next.push((n, GC, "frees the slots", 0, 0));
}

/// A mutator has what is left of its run from one cycle to the next.
fn spans(barrier: Barrier) -> Config {
    Config {
        spans: true,
        objects: 5,
        cycles: 2,
        allocs: [2, 1],
        stores: [0, 0],
        enters: [2, 1],
        one_start: true,
        ..base(barrier, false)
    }
}

#[test]
fn spans_from_hand_to_hand_are_safe() {
    for barrier in BARRIERS {
        is_safe("span", spans(barrier));
        let stored = Config {
            cycles: 1,
            allocs: [1, 1],
            stores: [1, 0],
            ..spans(barrier)
        };
        is_safe("span, stored to", stored);
    }
}

#[test]
fn twins_of_spans_are_caught() {
    for barrier in BARRIERS {
        for twin in [
            Twin::CachedSwept,
            Twin::StaysListed,
            Twin::NotBlackened,
            Twin::CacheKeptAtOff,
            Twin::RunKeptAtOff,
        ] {
            is_caught("span", spans(barrier), twin);
        }
    }
}
