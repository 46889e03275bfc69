//! Sweeping: from mark bytes to free slots, destructors and free pages.
//!
//! Begins when marking is over and every mutator's barrier is off (I6). Each span is swept once per cycle, by whoever takes
//! it off its class's `unswept` list first: a mutator that wants a span, or the background sweeper. Sweeping a span of
//! a type without drop glue reads its mark bytes and writes nothing; nothing is put on a free list, since runs of free
//! slots are found from the mark bytes when they are allocated from (see `span`).
//!
//! Destructors run here, in address order, with no lock held (I8), each guarded: a panic is counted and the sweep
//! goes on. They cannot reach other objects: a type that holds a `Gc` has no destructor of its own.
//!
//! In the last and the first epoch the sweep also zeroes every byte that is not of its epoch, so that no byte
//! written before the last round of epochs is left when its number comes again.

use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cycle::core::Core;
use crate::cycle::mail::Letter;
use crate::cycle::mutator::{MAIL, MutatorState};
use crate::heap::span::{Epoch, LAST_EPOCH, Span, ZOMBIE, mark_of, poison};
use crate::heap::type_info::DropFn;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;

thread_local! {
    /// The heap whose destructors this thread runs now.
    static IN_DESTRUCTOR: Cell<u64> = const { Cell::new(0) };
}

/// Marks the thread as running destructors of a heap while it lives.
struct DestructorScope(u64);

impl DestructorScope {
    fn new(heap: u64) -> Self {
        DestructorScope(IN_DESTRUCTOR.replace(heap))
    }
}

impl Drop for DestructorScope {
    fn drop(&mut self) {
        IN_DESTRUCTOR.set(self.0);
    }
}

/// What the sweep of one span found.
#[derive(Default)]
struct Found {
    live: usize,
    zombies: usize,
    freed: usize,
}

impl Core {
    /// Whether the current thread runs a destructor of this heap.
    pub(crate) fn in_destructor(&self) -> bool {
        IN_DESTRUCTOR.try_with(Cell::get).is_ok_and(|heap| heap == self.id)
    }

    /// Panics if the current thread runs a destructor of this heap.
    pub(crate) fn check_not_in_destructor(&self, what: &str) {
        assert!(
            !self.in_destructor(),
            "{what} called from the destructor of an object of the same heap: destructors may use other heaps only"
        );
    }

    /// Sweeps a span that the caller took off its list. `None` if nothing in it lives and its pages have been freed.
    pub(crate) fn sweep_span(&self, span: Span) -> Option<Span> {
        let epoch = self.sweeping_epoch.load(Ordering::Relaxed);
        let keep_all = self.abandon.load(Ordering::Acquire);
        let found = if keep_all {
            sweep_nothing(span, epoch)
        } else if span.info().drop.is_some() {
            self.sweep_dropping(span, epoch)
        } else {
            sweep_plain(span, epoch)
        };
        if epoch == LAST_EPOCH || epoch == 1 {
            zero_old_marks(span, epoch);
        }
        let swept = &self.counters.swept;
        let size = span.slot_size();
        swept.objects_live.fetch_add(found.live as u64, Ordering::Relaxed);
        swept.bytes_live.fetch_add((found.live + found.zombies) * size, Ordering::Relaxed);
        swept.objects_freed.fetch_add(found.freed as u64, Ordering::Relaxed);
        swept.bytes_freed.fetch_add((found.freed * size) as u64, Ordering::Relaxed);
        let taken = found.live + found.zombies;
        let kept = if taken == 0 {
            self.space.free_span(span);
            None
        } else {
            span.set_swept(epoch, span.slots() - taken);
            Some(span)
        };
        // Release: pairs with the driver's Acquire: the cycle is over when every span has been dealt with. A span that is
        // still in the caller's hands goes to a cache or a list, both of which the next cycle reaches.
        swept.pending.fetch_sub(1, Ordering::Release);
        kept
    }

    /// Sweeps a span of a type with drop glue.
    fn sweep_dropping(&self, span: Span, epoch: Epoch) -> Found {
        let (info, slot_size) = (span.info(), span.slot_size());
        let drop = info.drop.expect("the caller checked");
        let owner = span.owner();
        let live_mark = span.live_mark();
        let mut found = Found::default();
        let scope = DestructorScope::new(self.id);
        for index in 0..span.slots() {
            let mark = span.mark(index);
            match mark.load(Ordering::Relaxed) {
                m if m == epoch => found.live += 1,
                ZOMBIE => found.zombies += 1,
                m if m == live_mark => {
                    found.freed += 1;
                    let object = span.slot(index);
                    if info.local_drop {
                        found.zombies += 1;
                        self.mail.send(owner, Letter { object, slot_size, drop });
                    } else {
                        mark.store(0, Ordering::Relaxed);
                        self.run_drop(object, slot_size, drop);
                        if cfg!(feature = "verify") {
                            poison(object, slot_size);
                        }
                    }
                }
                _ => {}
            }
        }
        core::mem::drop(scope);
        if info.local_drop && found.zombies > 0 {
            self.tell_owner(owner);
        }
        found
    }

    /// Runs one destructor, containing its panic.
    fn run_drop(&self, object: usize, slot_size: usize, drop: DropFn) {
        let pointer = core::ptr::with_exposed_provenance_mut(object);
        // SAFETY: `drop` is the glue of the type of the objects of this span; the object is initialised, dead (I1, I2:
        // nothing reaches it) and its mark has been taken, so it is dropped once.
        let result = catch_unwind(AssertUnwindSafe(|| unsafe { drop(pointer, slot_size) }));
        if let Err(panic) = result {
            self.counters.drops_panicked.fetch_add(1, Ordering::Relaxed);
            // The payload's own destructor may panic.
            core::mem::forget(panic);
        }
    }

    fn tell_owner(&self, owner: u64) {
        self.registry.all(|state| {
            if state.thread_token == owner {
                state.flags.fetch_or(MAIL, Ordering::Relaxed);
            }
            true
        });
    }

    /// Runs the destructors that wait for the mutator's thread. The mutator is outside.
    #[cold]
    pub(crate) fn run_mail(&self, state: &MutatorState) {
        if self.in_destructor() {
            return;
        }
        state.flags.fetch_and(!MAIL, Ordering::Relaxed);
        self.run_mail_of(state.thread_token);
    }

    /// Runs the destructors that wait for the current thread, whose token is `owner`.
    pub(crate) fn run_mail_of(&self, owner: u64) {
        let letters = self.mail.take(owner);
        let _scope = DestructorScope::new(self.id);
        for letter in letters {
            self.run_drop(letter.object, letter.slot_size, letter.drop);
            if cfg!(feature = "verify") {
                poison(letter.object, letter.slot_size);
            }
            // SAFETY: a zombie's span is not freed.
            let mark = unsafe { mark_of(letter.object) };
            // Release: the slot may be taken by another thread that sees it free.
            mark.store(0, Ordering::Release);
        }
    }

    /// Marking is over and all barriers are off: puts all spans on the unswept lists.
    pub(crate) fn start_sweep(&self, epoch: Epoch) {
        self.counters.swept.reset();
        let classes: Vec<_> = self.space.classes.lock().all().to_vec();
        // One more than there are, so that the count cannot reach zero before all are on their lists.
        let pending = &self.counters.swept.pending;
        pending.store(1, Ordering::Relaxed);
        let c = &self.counters;
        let allocated = c.allocated.swap(0, Ordering::Relaxed);
        c.allocated_before.fetch_add(allocated as u64, Ordering::Relaxed);
        let mut large = self.space.large.lock();
        let large = &mut *large;
        pending.fetch_add(large.swept.len(), Ordering::Relaxed);
        large.unswept.append(&mut large.swept);
        for class in classes {
            class.start_sweep(pending);
        }
        // Release: pairs with the Acquire of mutators that look whether they may take spans from the lists.
        self.sweeping_epoch.store(epoch, Ordering::Release);
        pending.fetch_sub(1, Ordering::Release);
    }

    /// Sweeps spans until about `budget` bytes of them have been seen; whether there may be more.
    pub(crate) fn sweep_some(&self, budget: usize) -> bool {
        let mut left = budget;
        if !self.sweep_large(&mut left) {
            return true;
        }
        let classes: Vec<Arc<_>> = self.space.classes.lock().all().to_vec();
        for class in classes {
            while let Some(span) = class.take_unswept() {
                let bytes = span.slots() * span.slot_size();
                if let Some(span) = self.sweep_span(span) {
                    class.put(span);
                }
                if bytes >= left {
                    return true;
                }
                left -= bytes;
            }
        }
        false
    }

    /// Sweeps large spans within the budget; whether all are swept.
    fn sweep_large(&self, left: &mut usize) -> bool {
        loop {
            let Some(span) = self.space.large.lock().unswept.pop() else { return true };
            let bytes = span.slot_size();
            if let Some(span) = self.sweep_span(span) {
                self.space.large.lock().swept.push(span);
            }
            if bytes >= *left {
                return false;
            }
            *left -= bytes;
        }
    }

    /// The heap goes: drops every object that may be dropped here. No mutator, no background thread is left.
    pub(crate) fn drop_everything(&self, thread: u64) {
        self.run_mail_of(thread);
        let epoch = self.epoch_of_cycle();
        let classes: Vec<_> = self.space.classes.lock().all().to_vec();
        for class in classes {
            let lists = core::mem::take(&mut *class.lists.lock());
            for span in lists.partial.into_iter().chain(lists.full).chain(lists.unswept) {
                self.drop_span(span, epoch, thread);
            }
        }
        let large = core::mem::take(&mut *self.space.large.lock());
        for span in large.swept.into_iter().chain(large.unswept) {
            self.drop_span(span, epoch, thread);
        }
        self.counters.drops_leaked.fetch_add(self.mail.count() as u64, Ordering::Relaxed);
    }

    fn drop_span(&self, span: Span, epoch: Epoch, thread: u64) {
        let info = span.info();
        let Some(drop) = info.drop else { return };
        let here = !info.local_drop || span.owner() == thread;
        let _scope = DestructorScope::new(self.id);
        for index in 0..span.slots() {
            let m = span.mark(index).load(Ordering::Relaxed);
            if m == epoch || m == span.live_mark() {
                if here {
                    self.run_drop(span.slot(index), span.slot_size(), drop);
                } else {
                    self.counters.drops_leaked.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Counts what lives in a span whose type has no drop glue.
fn sweep_plain(span: Span, epoch: Epoch) -> Found {
    let live_mark = span.live_mark();
    let mut found = Found::default();
    for index in 0..span.slots() {
        let m = span.mark(index).load(Ordering::Relaxed);
        found.live += usize::from(m == epoch);
        let dead = m == live_mark && m != epoch;
        found.freed += usize::from(dead);
        if cfg!(feature = "verify") && dead {
            poison(span.slot(index), span.slot_size());
        }
    }
    found
}

/// The cycle was abandoned: everything allocated lives.
fn sweep_nothing(span: Span, epoch: Epoch) -> Found {
    let live_mark = span.live_mark();
    let mut found = Found::default();
    for index in 0..span.slots() {
        let mark = span.mark(index);
        match mark.load(Ordering::Relaxed) {
            ZOMBIE => found.zombies += 1,
            m if m == epoch || m == live_mark => {
                mark.store(epoch, Ordering::Relaxed);
                found.live += 1;
            }
            _ => {}
        }
    }
    found
}

/// See the module header.
fn zero_old_marks(span: Span, epoch: Epoch) {
    span.each_mark_byte(|mark| {
        let m = mark.load(Ordering::Relaxed);
        if m != epoch && m != ZOMBIE {
            mark.store(0, Ordering::Relaxed);
        }
    });
}

impl crate::cycle::core::SweepCounters {
    fn reset(&self) {
        self.objects_live.store(0, Ordering::Relaxed);
        self.bytes_live.store(0, Ordering::Relaxed);
        self.objects_freed.store(0, Ordering::Relaxed);
        self.bytes_freed.store(0, Ordering::Relaxed);
    }
}
