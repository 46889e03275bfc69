//! Where the next free slots come from when a run is used up: the span's next run, another span that the cache has, spans of the class that are
//! swept, or that this thread sweeps first, and new ones.

use crate::cycle::mutator::MutatorState;
use crate::error::AllocError;
use crate::heap::NoPages;
use crate::heap::class::Class;
use crate::heap::span::Span;
use crate::sync::twin::{self, Twin};

/// Spans that an allocation sweeps at most in search of a free slot: a heap full of live objects must not be gone through in one
/// allocation.
pub(super) const SWEPT_PER_REFILL: usize = 8;

impl MutatorState {
    /// Gets the line its next run.
    pub(super) fn refill(&self, line: usize, slot_size: usize) -> Result<(), AllocError> {
        if let Some(taken) = self.cache.next_run(line, self.colour()) {
            self.charge_run(taken);
            return Ok(());
        }
        if self.cache.next_span(line) {
            return Ok(());
        }
        let count = self.cache.give_back_used(line);
        let class = self.cache.class(line);
        let taken = self
            .cache
            .fill(line, |spans| self.take_spans(&class, count, spans));
        taken.map_err(|why| self.alloc_error(slot_size, why))
    }

    /// Takes up to `count` spans of a class with free slots, at least one.
    fn take_spans(
        &self,
        class: &Class,
        count: usize,
        spans: &mut Vec<Span>,
    ) -> Result<(), NoPages> {
        let core = self.core();
        let mut retried = false;
        loop {
            self.take_swept(class, count, spans);
            if !spans.is_empty() {
                return Ok(());
            }
            match core.space.new_spans(class, core.external(), count, spans) {
                Ok(()) => {
                    if self.before_sweep() {
                        let cycle = self.command.get().cycle;
                        spans.iter().for_each(|span| span.set_made_before(cycle));
                    }
                    if core.space.runs_low() {
                        core.wake();
                    }
                    return Ok(());
                }
                Err(why) if retried || !core.sweep_all() => return Err(why),
                Err(_) => retried = true,
            }
        }
    }

    /// Takes up to `count` spans of the class that have free slots: swept ones, or some that it sweeps, up to [`SWEPT_PER_REFILL`] in all, while
    /// there is time; after that swept ones or none.
    fn take_swept(&self, class: &Class, count: usize, spans: &mut Vec<Span>) {
        let core = self.core();
        if self.before_sweep() && !twin::is(Twin::TakesUnsweptSpans) {
            // The other lists hold spans that are neither swept nor known to be unswept.
            spans.extend(class.take_made(self.command.get().cycle));
            return;
        }
        // Nobody should find the heap full for what others have at hand.
        let count = if core.is_half_full() { 1 } else { count };
        let (mut unswept, mut left) = (Vec::new(), SWEPT_PER_REFILL);
        let mut time = core.time_to_drop();
        while spans.is_empty() {
            let sweep = left > 0 && !time.is_over();
            let most = if sweep { count.min(left) } else { count };
            class.take(most, sweep, spans, &mut unswept);
            if unswept.is_empty() {
                return;
            }
            left -= unswept.len();
            core.sweep_to_fill(class, &mut unswept, spans, &mut time);
        }
    }
}
