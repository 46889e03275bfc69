//! `Arena`: a heap, one mutator and a root object in one value.

use core::fmt;

use crate::collector::Heap;
use crate::gc::Gc;
use crate::mutator::{Mutation, Mutator, StepStatus};
use crate::root::{Root, Rootable};
use crate::stats::CycleStats;
use crate::trace::Trace;

/// The front door for one thread: a heap with one mutator and one root object, as an interpreter wants it.
///
/// ```
/// use tricolor_gc::{Arena, Gc, GcRefCell, Rootable};
///
/// let mut arena = Arena::<Rootable![GcRefCell<Vec<Gc<'_, String>>>]>::new(|_mc| GcRefCell::new(Vec::new()));
/// arena.enter(|mc, names| names.borrow_mut(mc).push(Gc::new(mc, String::from("first"))));
/// arena.collect();
/// arena.enter(|_mc, names| assert_eq!(**names.borrow()[0], *"first"));
/// ```
pub struct Arena<R: ?Sized + for<'a> Rootable<'a> + 'static> {
    // Dropped in this order: the root, the mutator, and with it perhaps the heap.
    root: Root<R>,
    mutator: Mutator,
}

impl<R: ?Sized + for<'a> Rootable<'a> + 'static> fmt::Debug for Arena<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("heap", self.heap())
            .finish_non_exhaustive()
    }
}

impl<R> Arena<R>
where
    R: ?Sized + for<'a> Rootable<'a> + 'static,
{
    /// A heap with the default settings, and the root object that `root` makes.
    pub fn new<F>(root: F) -> Self
    where
        F: for<'gc> FnOnce(&'gc Mutation<'gc>) -> <R as Rootable<'gc>>::Root,
        for<'gc> <R as Rootable<'gc>>::Root: Trace<'gc> + Sized,
    {
        Self::with_heap(Heap::new(), root)
    }

    /// The same in a heap built otherwise.
    pub fn with_heap<F>(heap: Heap, root: F) -> Self
    where
        F: for<'gc> FnOnce(&'gc Mutation<'gc>) -> <R as Rootable<'gc>>::Root,
        for<'gc> <R as Rootable<'gc>>::Root: Trace<'gc> + Sized,
    {
        let mut mutator = heap.attach();
        let root = mutator.enter(|mc| {
            let value = root(mc);
            Root::new(mc, Gc::new(mc, value))
        });
        Arena { root, mutator }
    }

    /// Runs `f` with the heap and the root object; see [`Mutator::enter`].
    ///
    /// # Panics
    /// As [`Mutator::enter`], and if the mutator has been exchanged for one of another heap through [`mutator`](Self::mutator).
    #[inline]
    pub fn enter<T, F>(&mut self, f: F) -> T
    where
        F: for<'gc> FnOnce(&'gc Mutation<'gc>, Gc<'gc, <R as Rootable<'gc>>::Root>) -> T,
    {
        let root = &self.root;
        self.mutator.enter(|mc| f(mc, root.get(mc)))
    }

    /// Runs a full cycle; see [`Mutator::collect`].
    ///
    /// # Panics
    /// As [`Mutator::collect`].
    pub fn collect(&mut self) -> CycleStats {
        self.mutator.collect()
    }

    /// Does a part of the collector's work; see [`Mutator::step`].
    pub fn step(&mut self, budget: usize) -> StepStatus {
        self.mutator.step(budget)
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        self.mutator.heap()
    }

    /// The mutator. It must stay one of this heap: [`enter`](Self::enter) panics after a `mem::swap` with another heap's, whose root
    /// object cannot be had there.
    pub fn mutator(&mut self) -> &mut Mutator {
        &mut self.mutator
    }

    /// The root handle.
    pub fn root(&self) -> &Root<R> {
        &self.root
    }
}
