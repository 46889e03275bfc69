//! Destructors that must run at home: dead objects of types that are not `Send` go to the thread that made them.
//!
//! A sweeper that finds such an object dead gives it the mark [`ZOMBIE`], so that its slot stays taken, and puts it in
//! the mailbox of the owner thread. The owner empties its box at its boundaries. When the thread has ended nobody
//! does; the objects are counted as leaked when the heap goes.

use std::collections::HashMap;

use crate::heap::span::{ZOMBIE, mark_of};
use crate::heap::type_info::DropFn;
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicU64;

/// A dead object that waits for its destructor.
#[derive(Clone, Copy)]
pub(crate) struct Letter {
    pub(crate) object: usize,
    pub(crate) slot_size: usize,
    pub(crate) drop: DropFn,
}

/// The mailboxes of a heap, by thread token.
#[derive(Default)]
pub(crate) struct Mail(Mutex<HashMap<u64, Vec<Letter>>>);

impl Mail {
    /// Marks the object a zombie and puts it in the box of `owner`.
    pub(crate) fn send(&self, owner: u64, letter: Letter) {
        // SAFETY: the object's span is the sweeper's.
        let mark = unsafe { mark_of(letter.object) };
        // Relaxed: the span is ours, and the next to look at it synchronises through the class's lock.
        mark.store(ZOMBIE, Ordering::Relaxed);
        self.0.lock().entry(owner).or_default().push(letter);
    }

    /// Everything in a thread's box.
    pub(crate) fn take(&self, owner: u64) -> Vec<Letter> {
        self.0.lock().remove(&owner).unwrap_or_default()
    }

    /// Letters in all boxes.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().values().map(Vec::len).sum()
    }
}

/// A number for the current thread that no other thread of the process gets.
pub(crate) fn thread_token() -> u64 {
    // The one piece of process-wide state: thread identities are process-wide, and `ThreadId` has no number.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static TOKEN: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // In a thread-local destructor that runs after ours: a token that is nobody's.
    TOKEN.try_with(|&token| token).unwrap_or(0)
}
