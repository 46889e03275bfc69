//! What sweeps have found: added up by each sweeper for some spans, then to the heap's counters.

use super::Swept;
use crate::cycle::core::SweepCounters;
use crate::heap::class::Class;
use crate::heap::span::Span;
use crate::sync::atomic::Ordering;

/// See [`SweepCounters`].
#[derive(Default)]
pub(super) struct Tally {
    pub(super) spans: usize,
    objects_live: u64,
    bytes_live: usize,
    pub(super) objects_freed: u64,
    bytes_freed: u64,
    bytes_fresh: usize,
    old_objects: u64,
    old_bytes: usize,
    /// What an object is taken to own, and what those that live are.
    owned_each: usize,
    owned: usize,
    old_owned: usize,
    /// Of dead objects: what some of them owned, and how many these are.
    pub(super) measured: usize,
    pub(super) samples: usize,
}

impl Tally {
    /// Of spans of a class.
    pub(super) fn of(class: &Class) -> Tally {
        Tally {
            owned_each: class.owned_each(),
            ..Tally::default()
        }
    }

    /// A span has been swept; `passed_over`: minor cycles will not sweep it.
    pub(super) fn count(&mut self, span: Span, found: &Swept, passed_over: bool) {
        let size = span.slot_size();
        self.spans += 1;
        self.objects_live += found.live as u64;
        self.bytes_live += found.taken * size;
        self.freed(span, found);
        self.bytes_fresh += (found.live - found.old) * size;
        let owned = found.taken.saturating_mul(self.owned_each);
        self.owned = self.owned.saturating_add(owned);
        if passed_over {
            self.old_objects += found.live as u64;
            self.old_bytes += found.live * size;
            self.old_owned = self.old_owned.saturating_add(owned);
        }
    }

    /// What has been freed of a span, perhaps before the sweep is through it.
    pub(super) fn freed(&mut self, span: Span, found: &Swept) {
        self.objects_freed += found.freed as u64;
        self.bytes_freed += (found.freed * span.slot_size()) as u64;
    }

    /// A dead object owned `bytes`.
    pub(super) fn measured(&mut self, bytes: usize) {
        self.measured = self.measured.saturating_add(bytes);
        self.samples += 1;
    }

    /// Adds it to what others have found.
    pub(super) fn add_to(&self, swept: &SweepCounters) {
        const ORDER: Ordering = Ordering::Relaxed;
        swept.objects_live.fetch_add(self.objects_live, ORDER);
        swept.bytes_live.fetch_add(self.bytes_live, ORDER);
        swept.objects_freed.fetch_add(self.objects_freed, ORDER);
        swept.bytes_freed.fetch_add(self.bytes_freed, ORDER);
        swept.bytes_fresh.fetch_add(self.bytes_fresh, ORDER);
        if self.owned != 0 {
            swept.owned.fetch_add(self.owned, ORDER);
            swept.old_owned.fetch_add(self.old_owned, ORDER);
        }
        if self.old_objects != 0 {
            swept.old_objects.fetch_add(self.old_objects, ORDER);
            swept.old_bytes.fetch_add(self.old_bytes, ORDER);
        }
    }
}

impl SweepCounters {
    /// A sweep begins. That of a minor cycle passes old spans over.
    pub(super) fn reset(&self, minor: bool) {
        if !minor {
            self.old_objects.store(0, Ordering::Relaxed);
            self.old_bytes.store(0, Ordering::Relaxed);
            self.old_owned.store(0, Ordering::Relaxed);
        }
        let owned = self.old_owned.load(Ordering::Relaxed);
        self.owned.store(owned, Ordering::Relaxed);
        let (objects, bytes) = (&self.old_objects, &self.old_bytes);
        self.objects_live
            .store(objects.load(Ordering::Relaxed), Ordering::Relaxed);
        self.bytes_live
            .store(bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        self.bytes_fresh.store(0, Ordering::Relaxed);
        self.objects_freed.store(0, Ordering::Relaxed);
        self.bytes_freed.store(0, Ordering::Relaxed);
    }
}
