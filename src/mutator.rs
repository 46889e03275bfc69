//! `Mutator` and `Mutation`: a thread's access to a heap, from outside and from inside.

use core::fmt;
use core::marker::PhantomData;

use crate::collector::Heap;
use crate::cycle::mutator::MutatorState;
use crate::stats::CycleStats;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;

/// Invariance in the brand, and nothing else.
pub(crate) type Brand<'gc> = PhantomData<fn(&'gc ()) -> &'gc ()>;

/// A thread's membership in a heap: its allocation cache and its barrier buffer.
///
/// Made by [`Heap::attach`]; stays on its thread. Everything that touches objects happens inside
/// [`enter`](Mutator::enter). Outside, the thread holds no pointers into the heap, so a mutator that is parked outside
/// (in I/O, waiting for a lock, in a long computation) never delays a cycle.
pub struct Mutator {
    state: Arc<MutatorState>,
    heap: Heap,
    /// `!Send`, `!Sync`.
    thread: PhantomData<*mut ()>,
}

impl fmt::Debug for Mutator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutator")
            .field("heap", &self.heap)
            .finish_non_exhaustive()
    }
}

/// Access to a heap inside [`Mutator::enter`].
///
/// Its lifetime is the *brand*: every pointer of this `enter` carries it, so none can leave, and none of another heap or
/// of another `enter` can be mixed in. Cells take a `&Mutation` to write: the write barrier is in there.
#[repr(transparent)]
pub struct Mutation<'gc> {
    state: MutatorState,
    brand: Brand<'gc>,
    thread: PhantomData<*mut ()>,
}

impl fmt::Debug for Mutation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutation")
            .field("heap", &self.state.core().id)
            .finish_non_exhaustive()
    }
}

/// What [`Mutator::step`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StepStatus {
    /// No cycle is in progress and none is due.
    Idle,
    /// A cycle is in progress.
    InProgress,
    /// A cycle is in progress and waits for other mutators.
    Waiting,
    /// This step completed a cycle.
    Completed,
}

/// Goes outside when `enter` ends, also by a panic.
struct Inside<'a>(&'a MutatorState);

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.exit();
    }
}

impl Mutator {
    pub(crate) fn new(state: Arc<MutatorState>, heap: Heap) -> Self {
        Mutator {
            state,
            heap,
            thread: PhantomData,
        }
    }

    /// Runs `f` with access to the heap.
    ///
    /// `f`'s result cannot contain pointers into the heap; keep objects with [`Root`](crate::Root)s. A collection can begin
    /// marking only after all mutators have passed such a boundary, so a long-running program should return whenever
    /// [`Mutation::should_yield`] says so.
    ///
    /// Threads that nest `enter`s of several heaps must do so in one order: during a stop of one heap a thread may wait at its gate,
    /// inside another heap. For the same reason a thread must not wait inside for one that enters the same heap, a scoped thread, say: the
    /// stop waits for the first, and the other for the end of the stop.
    ///
    /// ```
    /// use tricolor_gc::{Gc, Heap};
    ///
    /// let mut mutator = Heap::new().attach();
    /// let sum = mutator.enter(|mc| {
    ///     let one = Gc::new(mc, 1);
    ///     *one + *Gc::new(mc, 2)
    /// });
    /// assert_eq!(sum, 3);
    /// ```
    ///
    /// # Panics
    /// If called from the destructor of an object of the same heap. A panic of `f` leaves the heap usable.
    #[inline]
    pub fn enter<R>(&mut self, f: impl for<'gc> FnOnce(&'gc Mutation<'gc>) -> R) -> R {
        let state: &MutatorState = &self.state;
        if self.heap.core().in_user_code() {
            self.heap.core().check_not_in_user_code("enter");
        }
        state.enter();
        let inside = Inside(state);
        let raw = core::ptr::from_ref(state).cast::<Mutation<'_>>();
        // SAFETY: `Mutation` is a transparent wrapper of the state, which `self` keeps and which is this thread's until `inside` ends (I4). The
        // brand is fresh, for the closure takes any (I9).
        let mutation = unsafe { &*raw };
        let result = f(mutation);
        drop(inside);
        result
    }

    /// Runs a full cycle, one that starts after this call, and waits for its end. What was unreachable when it started is
    /// freed, and destructors of this thread's objects have run. Its figures, or those of a later full one.
    ///
    /// A cycle that is [`abandoned`](CycleStats::abandoned) frees nothing: a `trace` has panicked, which another thread's `collect` may have been
    /// told, or, under [`Barrier::Insertion`](crate::Barrier::Insertion), another thread has leaked the guard of a write meanwhile.
    ///
    /// # Panics
    /// With the panic of a [`Trace::trace`](crate::Trace::trace) since the last `collect`. If this thread is inside `enter`
    /// of the same heap through another mutator, or runs a destructor of the same heap: it would wait for itself.
    pub fn collect(&mut self) -> CycleStats {
        let stats = self.heap.core().collect("Mutator::collect");
        self.heap.core().run_mail(&self.state);
        stats
    }

    /// Does a part of the collector's work on this thread: marks or sweeps at most about `budget` bytes. Not divided are a look through
    /// all weak pointers, in a minor cycle those that are new, some ten nanoseconds for each; two looks at each 252 roots, some hundred
    /// nanoseconds; and the `trace` of one object, but for slices. Pointers to what is marked already do not count.
    ///
    /// For heaps without marker threads ([`marker_threads(0)`](crate::HeapBuilder::marker_threads)), which also
    /// take a step at the end of an `enter` when a cycle is due; with marker threads it helps them. Starts a cycle only if
    /// one is due. Without marker threads, when none is, gives up to `budget` bytes back to the system that have been free for a few seconds.
    pub fn step(&mut self, budget: usize) -> StepStatus {
        self.heap.core().check_can_wait("Mutator::step");
        let status = self.heap.core().step(budget);
        self.heap.core().run_mail(&self.state);
        status
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }
}

impl Drop for Mutator {
    fn drop(&mut self) {
        let core = self.heap.core();
        core.detach(&self.state);
        // The last boundary of this mutator.
        if !std::thread::panicking() && core.mail.waits_for(self.state.thread_token) {
            core.run_mail(&self.state);
        }
    }
}

impl<'gc> Mutation<'gc> {
    #[inline(always)]
    pub(crate) fn state(&self) -> &MutatorState {
        &self.state
    }

    /// Whether the collector wants this thread at its boundary: leave `enter` and come back. One relaxed load.
    #[inline(always)]
    pub fn should_yield(&self) -> bool {
        self.state.flags.load(Ordering::Relaxed) != 0
    }

    /// Reports memory outside the heap that objects of it own: `delta` bytes more, or fewer. Most vectors, strings, boxes and maps need no
    /// report: what they own is estimated, and would count twice. What is not seen is said in the [crate's documentation](crate#memory-that-objects-own).
    ///
    /// External bytes count for pacing and limits as the heap's own do, so that a heap of small objects with large buffers
    /// is collected in time. Report the same amount negatively when the memory is freed, here or through [`Heap::account`]. A destructor knows
    /// when, but it cannot have a [`Heap`], which would keep the heap alive: it leaves a note.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicIsize, Ordering};
    /// use tricolor_gc::{Gc, Heap, Static, Trace};
    ///
    /// struct Pixels(Vec<u8>, Arc<AtomicIsize>);
    ///
    /// impl Drop for Pixels {
    ///     fn drop(&mut self) {
    ///         self.1.fetch_sub(self.0.len() as isize, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// #[derive(Trace)]
    /// struct Image<'gc> {
    ///     pixels: Static<Pixels>,
    ///     next: Option<Gc<'gc, Image<'gc>>>,
    /// }
    ///
    /// let heap = Heap::new();
    /// let mut mutator = heap.attach();
    /// let changed = Arc::new(AtomicIsize::new(0));
    /// for _ in 0..10 {
    ///     mutator.enter(|mc| {
    ///         let pixels = Pixels(vec![0; 1 << 20], changed.clone());
    ///         changed.fetch_add(pixels.0.len() as isize, Ordering::Relaxed);
    ///         mc.account(changed.swap(0, Ordering::Relaxed));
    ///         Gc::new(mc, Image { pixels: Static(pixels), next: None });
    ///     });
    /// }
    /// mutator.collect();
    /// mutator.enter(|mc| mc.account(changed.swap(0, Ordering::Relaxed)));
    /// assert_eq!(heap.stats().bytes_external, 0);
    /// ```
    pub fn account(&self, delta: isize) {
        let core = self.state.core();
        core.account(delta);
        if delta > 0 {
            core.check_trigger(&self.state);
        }
    }

    /// A number that identifies the heap among all of the process.
    pub fn heap_id(&self) -> u64 {
        self.state.core().id
    }
}
