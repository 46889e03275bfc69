//! The mutators of a heap.
//!
//! The list is replaced as a whole when a mutator attaches or detaches, under a lock; the collector, which looks at every
//! mutator many times per handshake, reads it without the lock.
//!
//! **Attaching mid-cycle.** The driver publishes commands under the same lock. So a mutator that attaches either is
//! on the list when the command is published, and is asked like everybody, or takes the new command as its first:
//! its stack is empty, so it is at a boundary. Two exceptions (`Heap::attach`): where the thread is inside through another mutator, its
//! stack is not empty, and the new one takes over that one's state; during a stop the new one takes an earlier number, so that it finds the
//! stop when it enters.
//!
//! **Detaching mid-cycle.** A mutator takes its gate for good, does what comes before an answer (leaked guards are noted, buffers handed
//! over), gives its spans back, and only then leaves the list: until then nobody goes on without it.

use super::command::Command;
use super::mutator::MutatorState;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::ThreadId;
use crate::sync::twin::{self, Twin};
use crate::sync::{Arc, Mutex, Rank, Snapshot};

type List = Vec<Arc<MutatorState>>;

/// See the module header.
pub(crate) struct Registry {
    list: Snapshot<List>,
    /// Taken to replace the list and to publish a command.
    lock: Mutex<()>,
    /// The command, packed. Written under the lock (Release: what the driver set up before is seen by who adopts it),
    /// read by mutators (Acquire) and, for its number only, on every entry (Relaxed).
    command: AtomicU64,
    /// How many mutators have been attached, ever. Written when the new one is on the list, and before its thread has it (Release); read before
    /// the list (Acquire), and later (Relaxed) by who would have to know of the new one from what its thread has done.
    attached: AtomicU64,
}

/// What [`Registry::only_thread`] says if it is not.
pub(crate) const OTHERS: u64 = u64::MAX;

impl Registry {
    pub(crate) fn new() -> Self {
        Registry {
            list: Snapshot::new(Vec::new()),
            lock: Mutex::ranked(Rank::Registry, ()),
            command: AtomicU64::new(Command::FIRST.pack()),
            attached: AtomicU64::new(0),
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

    /// Whether the command in force is one that may be adopted at a poll, and not that of `seq`.
    #[inline(always)]
    pub(crate) fn polls_for(&self, seq: u32) -> bool {
        let command = self.command.load(Ordering::Relaxed);
        (command >> 32) as u32 != seq && command & Command::NOT_AT_A_POLL == 0
    }

    /// If no other thread than `thread` has mutators: a number that holds ([`none_attached_since`](Self::none_attached_since)) until one attaches.
    pub(crate) fn only_thread(&self, thread: ThreadId) -> u64 {
        let attached = self.attached.load(Ordering::Acquire);
        if self.all(|state| state.thread == thread) {
            attached
        } else {
            OTHERS
        }
    }

    /// Whether no mutator has been attached since `only_thread` said so.
    #[inline(always)]
    pub(crate) fn none_attached_since(&self, only: u64) -> bool {
        only != OTHERS
            && (self.attached.load(Ordering::Relaxed) == only || twin::is(Twin::AloneForGood))
    }

    /// Publishes a command, under the next number.
    pub(crate) fn publish(&self, command: Command) -> Command {
        let _lock = (!twin::is(Twin::PublishedUnlocked)).then(|| self.lock.lock());
        let seq = self.command().seq.wrapping_add(1);
        let command = Command { seq, ..command };
        self.command.store(command.pack(), Ordering::Release);
        command
    }

    fn replace(&self, change: impl FnOnce(&mut List)) {
        self.list.replace(|old| {
            let mut list = old.clone();
            change(&mut list);
            list
        });
    }

    /// Adds the mutator that `make` makes for the command in force.
    pub(crate) fn attach(
        &self,
        make: impl FnOnce(Command) -> Arc<MutatorState>,
    ) -> Arc<MutatorState> {
        let _lock = self.lock.lock();
        let state = make(self.command());
        self.count_mates(&state, 1);
        self.replace(|list| list.push(state.clone()));
        self.attached.fetch_add(1, Ordering::Release);
        state
    }

    /// Under the lock: the thread of `state` has one more mutator, or one fewer.
    fn count_mates(&self, state: &MutatorState, change: u32) {
        let mut mates = 0;
        self.all(|other| {
            if !core::ptr::eq(other, state) && other.thread == state.thread {
                let before = other.mates.load(Ordering::Relaxed);
                other
                    .mates
                    .store(before.wrapping_add(change), Ordering::Relaxed);
                mates += 1;
            }
            true
        });
        state.mates.store(mates, Ordering::Relaxed);
    }

    /// Removes a mutator. The caller holds its gate for ever.
    pub(crate) fn detach(&self, state: &Arc<MutatorState>) {
        let _lock = self.lock.lock();
        self.replace(|list| list.retain(|other| !Arc::ptr_eq(other, state)));
        self.count_mates(state, 1_u32.wrapping_neg());
    }

    /// Calls `f` for every mutator until it returns `false`; whether it never did.
    pub(crate) fn all(&self, mut f: impl FnMut(&MutatorState) -> bool) -> bool {
        self.list.read(|list| list.iter().all(|state| f(state)))
    }

    /// The mutators as of now.
    pub(crate) fn snapshot(&self) -> List {
        self.list.read(Clone::clone)
    }

    /// Whether all that are there now are in `list`, an earlier snapshot. O(n): lists keep their order, and who attaches is the last.
    pub(crate) fn has_no_others(&self, list: &[Arc<MutatorState>]) -> bool {
        let mut earlier = list.iter();
        self.all(|state| earlier.any(|other| core::ptr::eq(&**other, state)))
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use crate::cycle::command::{Command, Mode};
    use crate::cycle::mutator::MutatorState;
    use crate::sync::atomic::Ordering;
    use crate::{Heap, Mutator};

    /// A handshake would look through all mutators for each of them.
    #[test]
    fn a_mutator_knows_how_many_others_its_thread_has() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let mates = || {
            let states = heap.core().registry.snapshot();
            let mates = states
                .iter()
                .map(|state| state.mates.load(Ordering::Relaxed));
            mates.collect::<Vec<_>>()
        };
        let mut mutators: Vec<Mutator> = (0..3).map(|_| heap.attach()).collect();
        assert_eq!(mates(), [2; 3]);
        std::thread::scope(|scope| {
            let others = scope.spawn(|| {
                let _one = heap.attach();
                assert_eq!(mates(), [2, 2, 2, 0]);
                let _other = heap.attach();
                assert_eq!(mates(), [2, 2, 2, 1, 1]);
            });
            others.join().unwrap();
        });
        assert_eq!(mates(), [2; 3]);
        drop(mutators.remove(1));
        assert_eq!(mates(), [1; 2]);
        drop(mutators.pop());
        assert_eq!(mates(), [0]);
    }

    /// What it writes to until its boundary is its own, so that a table is not traced at each write, unless somebody attaches.
    #[test]
    fn a_grey_mutator_that_is_alone_knows_when_it_is_not() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let (core, mut mutator) = (heap.core(), heap.attach());
        let adopt_grey = |state: &MutatorState| {
            let grey = Command {
                mode: Mode::Grey,
                ..state.command.get()
            };
            state.adopt(core, grey, true);
            assert!(state.none_is_black());
            core.registry.publish(core.command());
        };
        mutator.enter(|mc| {
            let state = mc.state();
            adopt_grey(state);
            assert!(state.none_is_black(), "there are no others");
            std::thread::scope(|scope| scope.spawn(|| drop(heap.attach())).join().unwrap());
            assert!(!state.none_is_black(), "there was one");
            state.adopt(core, core.command(), true);
        });
        std::thread::scope(|scope| {
            let (attached, is_attached) = channel();
            let (stay, stays) = channel::<()>();
            let heap = &heap;
            scope.spawn(move || {
                let _other = heap.attach();
                attached.send(()).unwrap();
                let _ = stays.recv();
            });
            is_attached.recv().unwrap();
            mutator.enter(|mc| {
                adopt_grey(mc.state());
                assert!(!mc.state().none_is_black(), "the other is there");
                mc.state().adopt(core, core.command(), true);
            });
            drop(stay);
        });
    }
}
