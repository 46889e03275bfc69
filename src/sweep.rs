//! Sweeping: from mark bytes to free slots, destructors and free pages.
//!
//! Begins when marking is over and every mutator's barrier is off (I6). Each span that is on a list then is swept once, by a mutator perhaps in several goes (those that are full of
//! old objects in full cycles only, see `cycle::minor`; those that a cache has were made since the barriers went off), by whoever takes
//! it off its class's `unswept` list first: a mutator that wants a span or whose next cycle is due, or the background
//! sweeper. Sweeping a span of a type without drop glue reads its mark bytes and writes its free bits; it never touches the objects. A minor
//! cycle does not read those of a *settled* span, in which the last sweep has found old objects only and from which nothing has been
//! allocated since: these live, and nothing else is in it.
//!
//! Destructors run here, in address order, under no lock but perhaps the driver's (I8), each guarded: a panic is counted and the sweep
//! goes on. They cannot reach other objects: a type that holds a `Gc` has no destructor of its own.
//!
//! What was allocated black lives, and is young again: where there may be such objects, the sweep zeroes every colour but its
//! epoch's. Also of an abandoned cycle, as their colour comes again in the next but one. In the last and the first epoch it does so in every
//! span, so that no byte written before the last round of epochs is left when its number comes again. `ZOMBIE` and `NEVER_MADE` are no
//! colours: they stay until the slot is free, or what is dead would be dropped again.

mod deferral;
mod dropping;
mod tally;
#[cfg(test)]
mod tests;
mod time_limit;

pub(crate) use self::deferral::{Deferral, Which};
use self::tally::Tally;
pub(crate) use self::time_limit::{LONGEST, TimeLimit};
use crate::cycle::core::Core;
use crate::cycle::mail::thread_token;
use crate::heap::class::Class;
use crate::heap::layout::PAGE;
use crate::heap::size_class::span_pages;
use crate::heap::span::{Epoch, Found, LAST_EPOCH, NEVER_MADE, Span, ZOMBIE, poison};
use crate::sync::atomic::Ordering;
use crate::sync::planted::{Planted, seen};
use crate::sync::twin::{self, Twin};
use crate::sync::{Arc, hooks, now};
use crate::user_code::UserCodeScope;

/// What to do with a span in which nothing lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Empty {
    /// The caller allocates from it.
    Keep,
    /// Its pages go back to the page heap.
    Free,
}

/// What has become of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Kept,
    /// Nothing in it lives: its pages are to be freed.
    Freed,
    /// The time was over: it is to be swept again, from its start. What was dead and dropped is free by now.
    Unfinished,
}

/// Spans that are swept one after the other before anybody hears of them: sweepers and mutators that take from the same class, and from the
/// page heap, at the same time would have each other wait at their locks and counters for each span, half a microsecond's work.
const BATCH: usize = 16;

/// What the sweep of one span found, in slots.
#[derive(Default)]
struct Swept {
    live: usize,
    /// Of these, the old ones.
    old: usize,
    /// Live, or waiting for a destructor.
    taken: usize,
    freed: usize,
    /// The time was over.
    unfinished: bool,
}

impl Core {
    /// Sweeps spans that the caller took off the list of `class`, and puts back those in which something lives.
    fn sweep_batch(
        &self,
        class: &Class,
        spans: &mut Vec<Span>,
        which: Which,
        time: &mut TimeLimit,
    ) {
        let (mut tally, mut empty, mut unfinished) = (Tally::of(class), Vec::new(), Vec::new());
        // Nor where mutators do the collector's work: what they do should not depend on a clock.
        let measures = which.measures() && self.config.marker_threads > 0;
        let began = (measures && class.drops_here()).then(now);
        if twin::is(Twin::PutBeforeSwept) {
            class.put_all(&mut spans.clone());
        }
        let mut ahead = spans.clone().into_iter().skip(1);
        spans.retain(|&span| {
            if let Some(next) = ahead.next() {
                next.prefetch();
            }
            let outcome = self.sweep(span, Empty::Free, &mut tally, time);
            match outcome {
                Outcome::Kept => {}
                Outcome::Freed => empty.push(span),
                Outcome::Unfinished => unfinished.push(span),
            }
            outcome == Outcome::Kept
        });
        if let Some(began) = began {
            class.drop_time.note(tally.objects_freed, began.elapsed());
        }
        class.owned.note_dead(tally.measured, tally.samples);
        class.put_all(spans);
        class.put_unswept(&mut unfinished);
        self.space.free_spans(&empty);
        self.swept(&tally);
    }

    /// Sweeps spans that the caller took off the list of `class`: those with free slots go to `spans`, others back to the class.
    pub(crate) fn sweep_to_fill(
        &self,
        class: &Class,
        unswept: &mut Vec<Span>,
        spans: &mut Vec<Span>,
        time: &mut TimeLimit,
    ) {
        let (mut tally, mut unfinished) = (Tally::of(class), Vec::new());
        unswept.retain(|&span| {
            if self.sweep(span, Empty::Keep, &mut tally, time) == Outcome::Unfinished {
                unfinished.push(span);
                return false;
            }
            let full = span.free() == 0;
            if !full {
                spans.push(span);
            }
            full
        });
        class.owned.note_dead(tally.measured, tally.samples);
        class.put_all(unswept);
        class.put_unswept(&mut unfinished);
        self.swept(&tally);
    }

    /// Sweeps a span that the caller took off its list.
    fn sweep(&self, span: Span, empty: Empty, tally: &mut Tally, time: &mut TimeLimit) -> Outcome {
        let epoch = self.sweeping_epoch.load(Ordering::Relaxed);
        let marks = Found {
            epoch,
            ..self.found_in_cycle()
        };
        if twin::is(Twin::DoneBeforeSwept) {
            self.counters.swept.pending.fetch_sub(1, Ordering::Release);
        }
        let found = if self.abandon.load(Ordering::Relaxed) {
            let taken = span.slots() - span.free();
            Swept {
                live: taken,
                taken,
                ..Swept::default()
            }
        } else if span.is_settled() && self.sweeps_minor.load(Ordering::Relaxed) {
            let old = span.slots() - span.free();
            Swept {
                live: old,
                old,
                taken: old,
                ..Swept::default()
            }
        } else if span.info().drop.is_some() {
            let found = self.sweep_dropping(span, marks, tally, time);
            if found.unfinished {
                span.set_swept(span.slots() - taken_slots(span), false, false);
                tally.freed(span, &found);
                return Outcome::Unfinished;
            }
            found
        } else {
            sweep_plain(span, marks)
        };
        let settled = found.old == found.taken;
        let mutable = span.info().is_mutable();
        if mutable && found.old > 0 {
            self.note_old(span, epoch, settled);
        }
        if span.is_fresh() && !twin::is(Twin::FreshKept) || epoch == LAST_EPOCH || epoch == 1 {
            span.keep_marks(epoch);
            span.set_fresh(false);
        }
        let old = !mutable && found.old == span.slots();
        tally.count(span, &found, old && !span.is_large());
        let kept = found.taken != 0 || empty == Empty::Keep;
        if !kept {
            return Outcome::Freed;
        }
        span.set_swept(span.slots() - found.taken, old, settled);
        Outcome::Kept
    }

    /// The spans of a tally have been dealt with: back on a list, freed, or in the hands of a caller who goes on to a list or a cache, both of
    /// which the next cycle reaches.
    fn swept(&self, tally: &Tally) {
        tally.add_to(&self.counters.swept);
        // Release: pairs with the driver's Acquire: the cycle is over when every span has been dealt with.
        if !twin::is(Twin::DoneBeforeSwept) {
            let pending = &self.counters.swept.pending;
            pending.fetch_sub(tally.spans, Ordering::Release);
        }
    }

    /// Marking is over and all barriers are off: puts all spans on the unswept lists.
    pub(crate) fn start_sweep(&self, epoch: Epoch, cycle: u8, minor: bool) {
        debug_assert!(
            self.worklist.is_done(),
            "somebody still marks for this cycle"
        );
        self.counters.swept.reset(minor);
        let classes: Vec<_> = self.space.classes.lock().all().to_vec();
        // One more than there are, so that the count cannot reach zero before all are on their lists.
        let pending = &self.counters.swept.pending;
        pending.store(1, Ordering::Relaxed);
        let c = &self.counters;
        let allocated = c.allocated.swap(0, Ordering::Relaxed);
        // Release: pairs with the Acquire in `allocated_ever`: who sees the sum sees that the bytes are gone from the other counter.
        c.allocated_before
            .fetch_add(allocated as u64, Ordering::Release);
        if !twin::is(Twin::SweepingTooEarly) {
            self.sweeping_epoch.store(epoch, Ordering::Relaxed);
        }
        self.sweeps_minor.store(minor, Ordering::Relaxed);
        let mut large = self.space.large.lock();
        let large = &mut *large;
        pending.fetch_add(large.swept.len(), Ordering::Relaxed);
        large.unswept.append(&mut large.swept);
        for class in classes {
            class.start_sweep(pending, minor);
        }
        if twin::is(Twin::SweepingTooEarly) {
            self.sweeping_epoch.store(epoch, Ordering::Relaxed);
        }
        // Relaxed: see the field.
        self.sweeping_cycle.store(cycle, Ordering::Relaxed);
        // Relaxed: the driver itself, or the next under its lock, waits for zero.
        pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sweeps spans until about `budget` bytes of them have been seen; whether there may be more.
    pub(crate) fn sweep_some(&self, budget: usize) -> bool {
        self.sweep_which(budget, Which::All, &mut TimeLimit::none())
    }

    /// As [`sweep_some`](Self::sweep_some), of some classes, as long as there is time.
    pub(crate) fn sweep_which(&self, budget: usize, which: Which, time: &mut TimeLimit) -> bool {
        let mut left = budget;
        if !self.sweep_large(&mut left, time) {
            return true;
        }
        let classes: Vec<Arc<_>> = self.space.classes.lock().all().to_vec();
        let mut spans = Vec::new();
        for class in classes.into_iter().filter(|class| which.has(class)) {
            let bytes_each = span_pages(class.key.slot_size) * PAGE;
            loop {
                // Where memory may be short, what is free again should not wait for the rest.
                let most = if self.is_half_full() { 1 } else { BATCH };
                class.take_unswept((left / bytes_each).clamp(1, most), &mut spans);
                if spans.is_empty() {
                    break;
                }
                let bytes: usize = spans.iter().map(|s| s.slots() * s.slot_size()).sum();
                self.sweep_batch(&class, &mut spans, which, time);
                if bytes >= left || time.is_over() {
                    return true;
                }
                left -= bytes;
            }
        }
        false
    }

    /// Sweeps large spans within the budget; whether all are swept, and there is time left.
    fn sweep_large(&self, left: &mut usize, time: &mut TimeLimit) -> bool {
        loop {
            let Some(span) = self.space.large.lock().unswept.pop() else {
                return true;
            };
            let (bytes, mut tally) = (span.slot_size(), Tally::default());
            match self.sweep(span, Empty::Free, &mut tally, time) {
                Outcome::Kept => self.space.large.lock().swept.push(span),
                Outcome::Freed => self.space.free_spans(&[span]),
                Outcome::Unfinished => self.space.large.lock().unswept.push(span),
            }
            self.swept(&tally);
            if bytes >= *left || time.is_over() {
                return false;
            }
            *left -= bytes;
        }
    }

    /// The heap goes: drops every object that may be dropped here. No mutator, no background thread is left.
    pub(crate) fn drop_everything(&self) {
        self.run_own_mail();
        let classes: Vec<_> = self.space.classes.lock().all().to_vec();
        for class in classes {
            let lists = core::mem::take(&mut *class.lists.lock());
            for span in lists
                .partial
                .into_iter()
                .chain(lists.made)
                .chain(lists.full)
                .chain(lists.old)
                .chain(lists.unswept)
            {
                self.drop_span(span);
            }
        }
        let large = core::mem::take(&mut *self.space.large.lock());
        for span in large.swept.into_iter().chain(large.unswept) {
            self.drop_span(span);
        }
    }

    fn drop_span(&self, span: Span) {
        let info = span.info();
        let Some(drop) = info.drop else { return };
        let here = !info.local_drop || span.owner() == thread_token();
        let _scope = UserCodeScope::new(self.id);
        for index in 0..span.slots() {
            let taken = span.taken_bits(index / 64) & 1 << (index % 64) != 0;
            // Relaxed: nobody else is left.
            let mark = span.mark(index).load(Ordering::Relaxed);
            if !taken || mark == ZOMBIE || mark == NEVER_MADE {
                continue;
            }
            if here {
                // SAFETY: made (I13), and neither dropped nor waiting, as the mark says. Nobody is left to use it (I10). Dropped once:
                // the span is on no list any more. Here: it may be dropped anywhere (T4), or this is its thread.
                unsafe { self.run_drop(span.slot(index), span.slot_size(), drop) };
            }
        }
    }
}

/// Sweeps a span whose type has no drop glue: reads the marks, writes the free bits.
fn sweep_plain(span: Span, marks: Found) -> Swept {
    let mut found = Swept::default();
    for word in 0..span.slots().div_ceil(64) {
        let taken = span.taken_bits(word);
        let (old, fresh) = found_bits(span, word, marks);
        let live = seen(Planted::SweepsLive, (old | fresh) & taken);
        found.old += (old & taken).count_ones() as usize;
        span.set_taken_bits(word, live);
        found.live += live.count_ones() as usize;
        found.freed += (taken & !live).count_ones() as usize;
        hooks::freed_all(taken & !live, |bit| span.slot(word * 64 + bit));
        if cfg!(feature = "verify") {
            (0..64)
                .filter(|bit| taken & !live & 1 << bit != 0)
                .for_each(|bit| {
                    // SAFETY: a slot of the sweeper's span (I7), whose object is dead, and of a type without drop glue.
                    unsafe { poison(span.slot(word * 64 + bit), span.slot_size()) };
                });
        }
    }
    found.taken = found.live;
    found
}

/// How many slots are taken, by the free bits.
fn taken_slots(span: Span) -> usize {
    (0..span.slots().div_ceil(64))
        .map(|word| span.taken_bits(word).count_ones() as usize)
        .sum()
}

/// The slots of `word` that are old, and those that are fresh, or early. As [`Span::marked_bits`].
fn found_bits(span: Span, word: usize, marks: Found) -> (u64, u64) {
    let fresh = if span.is_fresh() {
        let early = match marks.early == marks.epoch {
            true => 0,
            false => span.marked_bits(word, marks.early),
        };
        span.marked_bits(word, marks.fresh) | early
    } else {
        0
    };
    (span.marked_bits(word, marks.epoch), fresh)
}
