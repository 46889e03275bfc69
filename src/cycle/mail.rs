//! Destructors that must run at home: dead objects of types that are not `Send` go to the thread that made them.
//!
//! A sweeper that finds such an object dead gives it the mark [`ZOMBIE`], so that its slot stays taken, and puts it in
//! the mailbox of the owner thread. The owner empties its box at its boundaries. When the thread has ended nobody
//! does; the objects are counted as leaked.

use core::cell::Cell;
use std::collections::HashMap;
// Thread lifetimes, no protocol of ours.
use std::sync::{Arc, Weak};

use crate::heap::span::{ZOMBIE, mark_of};
use crate::heap::type_info::DropFn;
use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicU64;
use crate::sync::{Mutex, Rank, thread_local};

/// A dead object that waits for its destructor.
#[derive(Clone, Copy)]
pub(crate) struct Letter {
    pub(crate) object: usize,
    pub(crate) slot_size: usize,
    pub(crate) drop: DropFn,
}

/// A thread's letters.
#[derive(Default)]
struct Letterbox {
    letters: Vec<Letter>,
    /// Whether the thread lives.
    owner: Weak<()>,
}

impl Letterbox {
    /// Whether nobody misses it: what comes later gets another.
    fn is_abandoned(&self) -> bool {
        self.letters.is_empty() && self.owner.strong_count() == 0
    }
}

/// Mailboxes before the first look for those of threads that have ended.
const FEW: usize = 64;

/// The mailboxes of a heap, by thread token.
pub(crate) struct Mail(Mutex<Boxes>);

#[derive(Default)]
struct Boxes {
    all: HashMap<u64, Letterbox>,
    /// The number after the last look.
    used: usize,
}

impl Default for Mail {
    fn default() -> Self {
        Mail(Mutex::ranked(Rank::Mail, Boxes::default()))
    }
}

impl Mail {
    /// The current thread makes objects in this heap.
    pub(crate) fn register_thread(&self) -> u64 {
        let token = thread_token();
        let alive = ALIVE.try_with(Arc::downgrade).unwrap_or_default();
        let mut boxes = self.0.lock();
        if boxes.all.len() >= 2 * boxes.used.max(FEW) {
            boxes.all.retain(|_, letterbox| !letterbox.is_abandoned());
            boxes.used = boxes.all.len();
        }
        boxes.all.entry(token).or_default().owner = alive;
        token
    }

    /// Marks the object a zombie and puts it in the box of `owner`.
    ///
    /// # Safety
    /// The caller sweeps the object's span (I7), whose slot size and `drop` the letter has, and has found the object made and dead, and
    /// not yet sent. On the thread `owner` it may be dropped.
    pub(crate) unsafe fn send(&self, owner: u64, letter: Letter) {
        // Under the lock: who finds the letter finds the zombie.
        let mut boxes = self.0.lock();
        // SAFETY: the object's slot is not free, and its span is the caller's (I7): its chunk is mapped (I12).
        let mark = unsafe { mark_of(letter.object) };
        // Relaxed: the span is ours, and the next to look at it synchronises through the class's lock.
        mark.store(ZOMBIE, Ordering::Relaxed);
        boxes.all.entry(owner).or_default().letters.push(letter);
    }

    /// Whether there is something in a thread's box.
    pub(crate) fn waits_for(&self, owner: u64) -> bool {
        let boxes = self.0.lock();
        boxes.all.get(&owner).is_some_and(|b| !b.letters.is_empty())
    }

    /// Everything in a thread's box.
    pub(crate) fn take(&self, owner: u64) -> Vec<Letter> {
        let mut boxes = self.0.lock();
        boxes
            .all
            .get_mut(&owner)
            .map(|b| core::mem::take(&mut b.letters))
            .unwrap_or_default()
    }

    /// Letters to threads that have ended: nobody will ever open them.
    pub(crate) fn undeliverable(&self) -> usize {
        let boxes = self.0.lock();
        boxes
            .all
            .values()
            .filter(|b| b.owner.strong_count() == 0)
            .map(|b| b.letters.len())
            .sum()
    }
}

// Process-wide: thread identities are process-wide, and `ThreadId` has no number.
static NEXT_TOKEN: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The number of the thread, or 0. Without a destructor: those of other thread-locals may ask for it, whenever they run.
    static TOKEN: Cell<u64> = const { Cell::new(0) };
}

thread_local! {
    /// Goes with the thread.
    static ALIVE: Arc<()> = Arc::new(());
}

/// A number for the current thread that no other thread of the process gets.
pub(crate) fn thread_token() -> u64 {
    TOKEN.with(|token| {
        if token.get() == 0 {
            token.set(NEXT_TOKEN.fetch_add(1, Ordering::Relaxed));
        }
        token.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_threads_that_have_ended_are_forgotten() {
        let mail = Mail::default();
        let own = mail.register_thread();
        for _ in 0..1000 {
            std::thread::scope(|scope| {
                scope.spawn(|| mail.register_thread());
            });
        }
        let boxes = mail.0.lock();
        assert!(boxes.all.len() <= 2 * FEW + 1);
        assert!(boxes.all.contains_key(&own));
    }
}
