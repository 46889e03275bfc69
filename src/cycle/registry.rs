//! The mutators of a heap.
//!
//! The list is replaced as a whole when a mutator attaches or detaches, under a lock; the collector, which looks at every
//! mutator many times per handshake, reads it without the lock under an epoch guard (crossbeam-epoch frees a replaced
//! list when no reader can hold it).
//!
//! **Attaching mid-cycle.** The driver publishes commands under the same lock. So a mutator that attaches either is
//! on the list when the command is published, and is asked like everybody, or takes the new command as its first:
//! its stack is empty, so it is at a boundary.

use crossbeam_epoch::{self as epoch, Atomic, Owned};

use super::command::Command;
use super::mutator::MutatorState;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};

type List = Vec<Arc<MutatorState>>;

/// See the module header.
pub(crate) struct Registry {
    list: Atomic<List>,
    /// Taken to replace the list and to publish a command.
    lock: Mutex<()>,
    /// The command, packed. Written under the lock (Release: what the driver set up before is seen by who adopts it),
    /// read by mutators (Acquire) and, for its number only, on every entry (Relaxed).
    command: AtomicU64,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Registry {
            list: Atomic::new(Vec::new()),
            lock: Mutex::new(()),
            command: AtomicU64::new(Command::FIRST.pack()),
        }
    }

    /// The command in force.
    pub(crate) fn command(&self) -> Command {
        Command::unpack(self.command.load(Ordering::Acquire))
    }

    /// Its number.
    #[inline(always)]
    pub(crate) fn command_seq(&self) -> u32 {
        (self.command.load(Ordering::Relaxed) >> 32) as u32
    }

    /// Publishes a command, under the next number.
    pub(crate) fn publish(&self, command: Command) -> Command {
        let _lock = self.lock.lock();
        let seq = self.command().seq.wrapping_add(1);
        let command = Command { seq, ..command };
        self.command.store(command.pack(), Ordering::Release);
        command
    }

    fn replace(&self, change: impl FnOnce(&mut List)) {
        let guard = epoch::pin();
        let old = self.list.load(Ordering::Acquire, &guard);
        // SAFETY: the list is never null, and it is not freed while the guard lives.
        let mut list = unsafe { old.deref() }.clone();
        change(&mut list);
        self.list.store(Owned::new(list), Ordering::Release);
        // SAFETY: the lock makes us the only one to replace the list, and it is unreachable now.
        unsafe { guard.defer_destroy(old) };
    }

    /// Adds the mutator that `make` makes for the command in force.
    pub(crate) fn attach(&self, make: impl FnOnce(Command) -> Arc<MutatorState>) -> Arc<MutatorState> {
        let _lock = self.lock.lock();
        let state = make(self.command());
        self.replace(|list| list.push(state.clone()));
        state
    }

    /// Removes a mutator. The caller holds its gate for ever.
    pub(crate) fn detach(&self, state: &Arc<MutatorState>) {
        let _lock = self.lock.lock();
        self.replace(|list| list.retain(|other| !Arc::ptr_eq(other, state)));
    }

    /// Calls `f` for every mutator until it returns `false`; whether it never did.
    pub(crate) fn all(&self, mut f: impl FnMut(&MutatorState) -> bool) -> bool {
        let guard = epoch::pin();
        // SAFETY: the list is never null, and it is not freed while the guard lives.
        let list = unsafe { self.list.load(Ordering::Acquire, &guard).deref() };
        list.iter().all(|state| f(state))
    }

    /// The mutators as of now.
    pub(crate) fn snapshot(&self) -> List {
        let guard = epoch::pin();
        // SAFETY: as in `all`.
        unsafe { self.list.load(Ordering::Acquire, &guard).deref() }.clone()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let mut n = 0;
        self.all(|_| {
            n += 1;
            true
        });
        n
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // SAFETY: nobody else has the registry any more; the list is never null.
        drop(unsafe { core::mem::replace(&mut self.list, Atomic::null()).into_owned() });
    }
}
