//! Destructors: of what a sweep finds dead, and of what waits for its own thread.

use super::tally::Tally;
use super::{Swept, TimeLimit, found_bits};
use crate::cycle::core::Core;
use crate::cycle::mail::{Letter, thread_token};
use crate::cycle::mutator::{MAIL, MutatorState};
use crate::cycle::owned::measure;
use crate::heap::span::{Found, NEVER_MADE, Span, ZOMBIE, mark_of, poison};
use crate::heap::type_info::DropFn;
use crate::panic::contain;
use crate::sync::atomic::Ordering;
use crate::sync::hooks;
use crate::sync::planted::{Planted, seen};
use crate::sync::twin::{self, Twin};
use crate::user_code::UserCodeScope;

impl Core {
    /// Sweeps a span of a type with drop glue.
    pub(super) fn sweep_dropping(
        &self,
        span: Span,
        marks: Found,
        tally: &mut Tally,
        time: &mut TimeLimit,
    ) -> Swept {
        let info = span.info();
        let drop = info.drop.expect("the caller checked");
        let owner = span.owner();
        let mut found = Swept::default();
        let scope = UserCodeScope::new(self.id);
        time.begin();
        let words = span.slots().div_ceil(64);
        for word in 0..words {
            let taken = span.taken_bits(word);
            let (old, fresh) = found_bits(span, word, marks);
            let live = seen(Planted::SweepsLive, (old | fresh) & taken);
            found.old += (old & taken).count_ones() as usize;
            let zombies = if info.local_drop {
                span.marked_bits(word, ZOMBIE) & taken
            } else {
                0
            };
            let mut dead = taken & !live & !zombies;
            found.live += live.count_ones() as usize;
            let mut stay = live | zombies;
            while dead != 0 && !found.unfinished {
                let bit = dead & dead.wrapping_neg();
                dead ^= bit;
                let index = word * 64 + bit.trailing_zeros() as usize;
                // Acquire: pairs with the stores after a destructor that ran at home, and where an object is not made.
                if span.mark(index).load(Ordering::Acquire) == NEVER_MADE {
                    // The next object in the slot is another. Relaxed: the span is the sweeper's until a lock hands it on.
                    span.mark(index).store(0, Ordering::Relaxed);
                    continue;
                }
                found.freed += 1;
                if info.local_drop {
                    stay |= bit;
                    // SAFETY: made, as the mark says (I13), dead (I2), in a slot of the sweeper's span (I7), and no zombie, so not yet
                    // sent. The span's owner made it: it may be dropped there.
                    unsafe { self.send_home(span, index, drop) };
                    continue;
                }
                let sample = (dead == 0 && !span.is_large()).then_some(&mut *tally);
                // SAFETY: made, as the mark says (I13), and not in the making (I1). Dead: nothing that lives leads to it (I2). Dropped
                // once: the slot, the sweeper's (I7), is free after this. Anywhere: it is not `local_drop` (T4).
                unsafe { self.drop_dead(span.slot(index), span.slot_size(), drop, sample) };
                // What is dead and still there stays taken.
                found.unfinished = time.ends_after_drop() && (dead != 0 || word + 1 < words);
            }
            stay |= dead;
            found.taken += stay.count_ones() as usize;
            span.set_taken_bits(word, stay);
            if found.unfinished {
                break;
            }
        }
        core::mem::drop(scope);
        if info.local_drop && found.taken > found.live && !twin::is(Twin::OwnerToldFirst) {
            self.tell_owner(owner);
        }
        found
    }

    /// Has the owner of a span drop the object in a slot.
    ///
    /// # Safety
    /// As [`Mail::send`](crate::cycle::mail::Mail::send), for the span's owner, where `drop` is the span's.
    unsafe fn send_home(&self, span: Span, index: usize, drop: DropFn) {
        if twin::is(Twin::OwnerToldFirst) {
            self.tell_owner(span.owner());
        }
        let letter = Letter {
            object: span.slot(index),
            slot_size: span.slot_size(),
            drop,
        };
        // SAFETY: the caller's contract.
        unsafe { self.mail.send(span.owner(), letter) };
    }

    /// Drops a dead object, which is a `sample` of what those of its type own, perhaps.
    ///
    /// # Safety
    /// As [`run_drop`](Self::run_drop); nobody but the caller has the object's slot.
    #[inline]
    unsafe fn drop_dead(
        &self,
        object: usize,
        slot_size: usize,
        drop: DropFn,
        sample: Option<&mut Tally>,
    ) {
        if let Some(tally) = sample {
            // SAFETY: made and not dropped yet, and nobody else has it, by the caller's contract.
            tally.measured(unsafe { measure(object, slot_size) });
        }
        // SAFETY: the caller's contract.
        unsafe { self.run_drop(object, slot_size, drop) };
        // SAFETY: the slot is the caller's, and its object has been dropped.
        unsafe { poison(object, slot_size) };
    }

    /// Runs the destructor of an object, containing its panic.
    ///
    /// # Safety
    /// `slot_size` and `drop` are those of the object's span; the object has been made, is used by nobody, is dropped neither before nor
    /// after, and may be dropped on this thread.
    pub(super) unsafe fn run_drop(&self, object: usize, slot_size: usize, drop: DropFn) {
        hooks::freed(object);
        let pointer = core::ptr::with_exposed_provenance_mut(object);
        // SAFETY: all that `drop` asks for is the caller's contract, for `object`, which is initialised, having been made (I13).
        if contain(|| unsafe { drop(pointer, slot_size) }).is_err() {
            self.counters.drops_panicked.fetch_add(1, Ordering::Relaxed);
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

    /// Runs the destructors that wait for the mutator's thread. The mutator is outside; if the thread is inside through another, they wait
    /// for that one's boundary.
    #[cold]
    pub(crate) fn run_mail(&self, state: &MutatorState) {
        if self.in_user_code() {
            return;
        }
        if !twin::is(Twin::ToldForgotten) {
            state.flags.fetch_and(!MAIL, Ordering::Relaxed);
        }
        if self.thread_is_inside(state) {
            return self.hand_on(state, MAIL);
        }
        self.run_own_mail();
        if twin::is(Twin::ToldForgotten) {
            state.flags.fetch_and(!MAIL, Ordering::Relaxed);
        }
    }

    /// Runs the destructors that wait for the current thread.
    pub(super) fn run_own_mail(&self) {
        let letters = self.mail.take(thread_token());
        let _scope = UserCodeScope::new(self.id);
        for letter in letters {
            // SAFETY: made, dead, and with the slot size and `drop` of its span, by the contract of `send`. Dropped once (I7): its only letter
            // is out of the box, and the mark says below that there is no object. Here: the letter was to this thread.
            unsafe { self.run_drop(letter.object, letter.slot_size, letter.drop) };
            // SAFETY: a zombie until the store below, so no sweep frees its slot (I7); its object has been dropped.
            unsafe { poison(letter.object, letter.slot_size) };
            // SAFETY: it is a zombie until the store below, so no sweep frees its slot (I7), and the chunk is mapped (I12).
            let mark = unsafe { mark_of(letter.object) };
            // Release: pairs with the Acquire in `sweep_dropping`: the next sweep frees the slot, perhaps on another thread.
            mark.store(NEVER_MADE, Ordering::Release);
        }
    }
}
