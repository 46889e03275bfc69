//! The background threads, which all heaps of the process share.
//!
//! A thread works for one heap in *turns*, and takes the heaps in turn: the queue of those that wait is first in, first out,
//! and a heap is in it once, however many threads it may have. A turn ends when there is nothing to do, or when it has
//! lasted a while and another heap waits. So one heap's long marking delays another's by a turn for each heap before it.
//!
//! # Who may be in a heap
//!
//! A heap has a *seat* here while a handle lives. Everything below is under the lock of the pool.
//!
//! | place of the seat | means | left by |
//! |---|---|---|
//! | *away* | nobody knows of anything to do | `wake` |
//! | *waiting* | somebody will look at a given time | `wake`, or the time |
//! | *queued* | the next free thread takes it | a thread |
//!
//! Beside its place a seat has the threads that are *inside*, at most as many as the heap has asked for. A thread that enters
//! offers the places that are left: the seat waits for a moment and is queued again. So a second thread comes when the first stays
//! long, and not for a turn that is over before it is awake.
//!
//! | step | who | from | to |
//! |---|---|---|---|
//! | wake | anybody | any, and not full | queued, *poked* |
//! | | | full | poked |
//! | take | a thread | queued | inside; not poked; waiting if not full, else away |
//! | end: again | the thread | inside | outside; queued |
//! | end: after d, never | the thread | inside | outside; queued if poked, else waiting or away, at the earlier time if another turn has left one meanwhile |
//! | end: missed | the thread | inside | outside; poked; queued if a turn of the same heap has ended meanwhile, else waiting |
//! | leave | the last handle | any | *closed*, in no queue; then waits until nobody else is inside |
//!
//! **No wake-up is lost.** Whoever wakes has done something that a look at the heap would find. The wake sets *poked*. It is
//! reset only by a thread that takes the seat, before it looks. If it looks, it finds what was done. It cannot look if another
//! is at the driver's lock, which may have looked before: it says *missed*, and its end sets poked again. If the other's turn has
//! not ended, its end finds the seat poked and queues it. If it has, that is seen, and the seat is queued at once.
//! A thread that is no pool thread may have the driver's lock too: then the wait of *missed*, which is short, ends the matter.
//! **No time is put off.** Of two turns that overlap the one that ends later may have looked earlier, and know less: it keeps the time that the other
//! has left, if that comes first.
//!
//! **No queued seat is forgotten by sleeping threads.** Who queues a seat signals a thread that sleeps, or starts one. A thread that
//! takes a seat does the same if there is another in the queue, so one signal too few is made good; a thread sleeps only with
//! the queue empty, in the critical section in which it has seen that. Of the threads that sleep one is the *timekeeper* and
//! wakes when the first seat's time has come; when it takes a seat, or an earlier time is set, it is replaced or told.
//!
//! **A heap leaves.** `leave` closes the seat: from then on nobody takes it, and those inside are told to end their turn. It returns
//! when nobody is inside. A thread gives its reference to the heap up before it is counted out. So after `leave` the caller's
//! reference is the last (I10).
//!
//! A thread that is in a turn itself, for a destructor that it runs holds the last handle, waits for nobody: whoever is inside may
//! run a destructor that waits for this thread's heap, when two heaps own each other's last handle. It need not: those
//! inside have references of their own, and with the last of these, when its turn ends, the memory goes.
//!
//! # How many threads
//!
//! As many as the living heap with the most has asked for; they start when a seat is queued and none sleeps. They sleep without
//! a time limit when no heap waits, and end when there are more than any heap asks for: with the last heap goes the last thread.
//!
//! **A turn may not come to its end:** it runs destructors, and `trace`, and under `StopTheWorld` marks the heap in one step. A thread that
//! has not looked up for [`STUCK`] does not count: another is started in its stead when somebody needs it (those who
//! wait for a heap say so by [`nudge`](Pool::nudge)). So a destructor that blocks, even for ever, or waits for another heap's
//! cycle, delays other heaps by that time. At the worst each heap has the threads it has asked for in destructors of its own, as
//! if they were not shared, and the others have their own number beside those. Nobody waits for a heap that is idle: its look, which may
//! start a cycle or give memory back, comes when a thread is free.
//!
//! Who waits for a heap and finds no thread inside drives the cycle itself: `collect`, and a mutator at the gate during a stop. So a
//! stop is no longer for the heaps that are before it in the queue. Where the system gives no thread at all, mutators do the work in steps, as
//! those of heaps without marker threads (`Core::is_stepped`).
//!
//! *Rejected:* heaps with a destructor that blocks on threads of their own, which somebody would have to declare; a watching thread, one more
//! in each process, where those who wait can watch; a turn per thread and heap (a heap with many threads would crowd out the others).

mod state;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use self::state::{Sleeper, State};
use crate::sync::atomic::Ordering;
use crate::sync::hooks::BACKGROUND_THREADS;
use crate::sync::plain::AtomicBool;
use crate::sync::twin::{self, Twin};
use crate::sync::{Condvar, Mutex, MutexGuard, Rank, Weak, now, thread, wait};

/// Length of a turn while other heaps wait.
const TURN: Duration = Duration::from_millis(2);
/// A thread inside a heap for this long offers the heap's other places.
const OFFER: Duration = Duration::from_micros(50);
/// A thread that has not looked up for this long does not count.
const STUCK: Duration = Duration::from_millis(50);

/// Who has turns: a heap.
pub(crate) trait Client: Send + Sync + Sized + 'static {
    /// Works while there is something to do and the turn goes on.
    fn turn(&self, turn: &Turn<Self>) -> Next;
}

/// What a turn came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Next {
    /// There is more to do.
    Again,
    /// Somebody must look after this time.
    After(Duration),
    /// It could not look: somebody else did. As `After`, and whoever is inside looks again.
    Missed(Duration),
    /// There is nothing to do.
    Never,
}

/// See the module header.
pub(crate) struct Pool<C> {
    state: Mutex<State<C>>,
    /// Signalled when a seat is queued, and when threads are to end.
    idle: Condvar,
    /// The same, for the timekeeper, and when an earlier time is set.
    clock: Condvar,
    /// Signalled when a thread has left a closed seat.
    left: Condvar,
    /// There is no thread, and the system has refused the last one that was asked for. A hint (Relaxed).
    refused: AtomicBool,
}

/// A thread's turn in a heap.
pub(crate) struct Turn<C: Client> {
    pool: &'static Pool<C>,
    thread: usize,
    heap: u64,
    began: Instant,
    /// Turns of the heap that had ended then.
    ended: u64,
}

impl<C: Client> Turn<C> {
    /// Whether the turn goes on. Asked every now and then, it also shows that the thread is at work.
    pub(crate) fn goes_on(&self) -> bool {
        let now = now();
        let mut state = self.pool.state.lock();
        state.beat(self.thread, now);
        state.expire(now);
        let alone = state.is_queue_empty();
        let goes_on = state.is_open(self.heap) && (alone || now < self.began + TURN);
        if !alone {
            // The place that this turn has offered, if nothing else.
            self.pool.rouse(state);
        }
        goes_on
    }
}

impl<C: Client> Pool<C> {
    /// Without heaps and threads.
    pub(crate) const fn new() -> Self {
        Pool {
            state: Mutex::ranked(Rank::Pool, State::new()),
            idle: Condvar::new(),
            clock: Condvar::new(),
            left: Condvar::new(),
            refused: AtomicBool::new(false),
        }
    }

    /// A heap comes, to be served by at most `limit` threads.
    pub(crate) fn join(&self, heap: u64, limit: usize, client: Weak<C>) {
        self.state.lock().add(heap, limit, client);
    }

    /// There may be something to do for a heap.
    pub(crate) fn wake(&'static self, heap: u64) {
        let mut state = self.state.lock();
        state.poke(heap);
        self.rouse(state);
    }

    /// Somebody waits for a heap: sees to it that threads which are stuck in another do not keep it waiting.
    pub(crate) fn nudge(&'static self) {
        let mut state = self.state.lock();
        state.expire(now());
        self.rouse(state);
    }

    /// Whether there is no thread because the system gives none.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether a thread is inside a heap.
    pub(crate) fn is_inside(&self, heap: u64) -> bool {
        self.state.lock().is_inside(heap)
    }

    /// The last handle of a heap goes: returns when no thread is inside, or at once if this one is in a turn, of whatever heap.
    pub(crate) fn leave(&self, heap: u64) {
        let mut state = self.state.lock();
        state.close(heap);
        // There may be too many threads now.
        self.idle.notify_all();
        self.clock.notify_all();
        if !state.is_inside(heap) || state.is_in_turn(thread::current().id()) {
            return;
        }
        while !twin::is(Twin::LeaveDoesNotWait) && state.is_inside(heap) {
            wait(&self.left, &mut state, None);
        }
    }

    /// Somebody must see what is in the queue, and when the next time comes: a thread that sleeps, or a new one.
    fn rouse(&'static self, mut state: MutexGuard<'_, State<C>>) {
        match state.sleeper() {
            Sleeper::NotNeeded => {}
            Sleeper::Any => {
                self.idle.notify_one();
            }
            Sleeper::Timekeeper => {
                self.clock.notify_one();
            }
            Sleeper::New => {
                if let Some(number) = state.new_thread(now()) {
                    drop(state);
                    self.start(number);
                }
            }
        }
    }

    fn start(&'static self, number: usize) {
        let run = move || {
            let bug = AbortOnPanic;
            self.run(number);
            core::mem::forget(bug);
        };
        let refused = thread::spawn(format!("tricolor-gc {number}"), run).is_err();
        if !refused && !self.is_refused() {
            return;
        }
        // Mutators drive; whoever wakes a heap next tries again.
        let mut state = self.state.lock();
        if refused {
            state.remove_thread(number);
        }
        self.refused.store(state.has_no_thread(), Ordering::Relaxed);
    }

    /// A thread.
    fn run(&'static self, number: usize) {
        let mut done = None;
        while let Some((turn, client)) = self.next(number, done) {
            let next = client.turn(&turn);
            // The heap is left after this, see the module header.
            drop(client);
            done = Some((turn, next));
        }
    }

    /// Ends a turn and begins the next, when there is one; `None` if the thread ends.
    fn next(
        &'static self,
        number: usize,
        done: Option<(Turn<C>, Next)>,
    ) -> Option<(Turn<C>, crate::sync::Arc<C>)> {
        let mut state = self.state.lock();
        if let Some((turn, next)) = done
            && state.end_turn(number, turn.heap, turn.ended, next, now())
        {
            self.left.notify_all();
        }
        loop {
            let now = now();
            state.expire(now);
            if state.is_surplus(now) {
                state.remove_thread(number);
                self.rouse(state);
                return None;
            }
            if let Some(taken) = state.take(number, now) {
                if !twin::is(Twin::QueueNotHandedOn) {
                    self.rouse(state);
                }
                let turn = Turn {
                    pool: self,
                    thread: number,
                    heap: taken.heap,
                    began: now,
                    ended: taken.ended,
                };
                return Some((turn, taken.client));
            }
            match state.fall_asleep() {
                None => {
                    if state.sleeper() == Sleeper::Timekeeper {
                        self.clock.notify_one();
                    }
                    wait(&self.idle, &mut state, None);
                    state.wake_up();
                }
                Some(until) => {
                    let limit = until.saturating_duration_since(now);
                    wait(&self.clock, &mut state, Some(limit));
                    state.wake_up_timekeeper();
                }
            }
        }
    }
}

/// The collector's own code does not panic; if it did, everybody who waits for a cycle would wait for ever.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        // A model unwinds its threads when it is given up.
        if BACKGROUND_THREADS {
            crate::report::line(format_args!(
                "tricolor-gc: a background thread panicked; this is a bug in the collector"
            ));
            std::process::abort();
        }
    }
}
