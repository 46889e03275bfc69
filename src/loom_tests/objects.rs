//! The objects that models are made of. Each has a number, and its destructor notes that it is gone.

use core::cell::Cell;

use super::harness;
use crate::sync::thread::{self, ThreadId};
use crate::sync::watched::violation;
use crate::sync::witness::Witness;
use crate::{Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcSlot, GcWeak, Trace, Tracer};

/// The number of the object it is in, whose death it notes.
pub(super) struct Stamp {
    number: usize,
    /// Written when the object is made and when it dies.
    object: Witness,
}

impl Stamp {
    pub(super) fn new(number: usize) -> Self {
        Stamp {
            number,
            object: Witness::default(),
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The program has a pointer to the object.
    pub(super) fn lives(&self) {
        if harness::must_live(self.number) {
            self.object.read();
        }
    }
}

impl Drop for Stamp {
    fn drop(&mut self) {
        self.object.write();
        harness::note_freed(self.number);
    }
}

/// An object whose destructor must run on the thread that made it.
pub(super) struct AtHome {
    home: ThreadId,
    _stamp: Stamp,
}

// SAFETY: T1, T3, T5, T10: no pointers, and `NEEDS_TRACE` says so. T2, T7: `trace` does nothing. T6: no lifetimes. T4, T8, T9: not claimed.
unsafe impl Trace<'_> for AtHome {
    const NEEDS_TRACE: bool = false;
    const DROP_IS_SEND: bool = false;

    fn trace(&self, _: &mut Tracer<'_>) {}
}

impl AtHome {
    pub(super) fn new(number: usize) -> Self {
        AtHome {
            home: thread::current().id(),
            _stamp: Stamp::new(number),
        }
    }
}

impl Drop for AtHome {
    fn drop(&mut self) {
        if thread::current().id() != self.home {
            violation("a destructor has run abroad".to_owned());
        }
    }
}

/// A pointer to a [`Node`], or none.
pub(super) type Link<'gc> = Option<Gc<'gc, Node<'gc>>>;

/// An object with one slot.
pub(super) struct Node<'gc> {
    pub(super) stamp: Stamp,
    pub(super) next: GcSlot<Link<'gc>>,
}

// SAFETY: T1, T9: the slot is the only pointer, and in the object. T2, T7: the stamp is written when the object dies. T3, T4: its
// destructor reaches no object, and may run anywhere. T5, T6, T10: one brand, and no other lifetime. T8: not claimed.
unsafe impl<'gc> Trace<'gc> for Node<'gc> {
    const CELLS_INLINE: bool = true;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        harness::switch_point();
        self.stamp.lives();
        self.next.trace(tracer);
    }
}

impl<'gc> Node<'gc> {
    pub(super) fn new(number: usize, next: Link<'gc>) -> Self {
        Node {
            stamp: Stamp::new(number),
            next: GcSlot::new(next),
        }
    }
}

/// An object whose pointer stays as it is.
pub(super) struct Fixed<'gc> {
    pub(super) stamp: Stamp,
    pub(super) next: Link<'gc>,
}

// SAFETY: T1, T8: the link is the only pointer, and no cell. T2, T7: the stamp is written when the object dies. T3, T4: its
// destructor reaches no object, and may run anywhere. T5, T6, T10: one brand, and no other lifetime. T9: not claimed.
unsafe impl<'gc> Trace<'gc> for Fixed<'gc> {
    const IMMUTABLE: bool = true;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        harness::switch_point();
        self.stamp.lives();
        self.next.trace(tracer);
    }
}

impl<'gc> Fixed<'gc> {
    pub(super) fn new(number: usize, next: Link<'gc>) -> Self {
        Fixed {
            stamp: Stamp::new(number),
            next,
        }
    }
}

/// What is in a cell: a pointer that is no atomic. loom watches who reads and writes it.
pub(super) struct Contents<'gc> {
    watched: loom::cell::UnsafeCell<()>,
    link: Cell<Link<'gc>>,
}

// SAFETY: T1, T9: the link is the only pointer, and in the value. T2: it is a `Cell`; whether it can be written meanwhile is what the
// models are about: loom reports it, and one thread of the machine runs them (I17). T3, T4, T7: it has no destructor of its own. T5, T6,
// T10: one brand, and no other lifetime. T8: not claimed.
unsafe impl<'gc> Trace<'gc> for Contents<'gc> {
    const CELLS_INLINE: bool = true;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        harness::catch_race(|| self.watched.with(|_| harness::switch_point()));
        self.link.get().trace(tracer);
    }
}

impl<'gc> Contents<'gc> {
    pub(super) fn new(link: Link<'gc>) -> Self {
        Contents {
            watched: loom::cell::UnsafeCell::new(()),
            link: Cell::new(link),
        }
    }

    pub(super) fn get(&self) -> Link<'gc> {
        self.link.get()
    }

    pub(super) fn set(&mut self, link: Link<'gc>) {
        harness::catch_race(|| self.watched.with_mut(|_| harness::switch_point()));
        self.link.set(link);
    }
}

/// A cell in a cell, of one thread at a time.
pub(super) type Outer<'gc> = GcRefCell<Option<GcRefCell<Contents<'gc>>>>;

macro_rules! holders {
    ($($(#[$doc:meta])* $name:ident($cell:ty): $new:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name<'gc> {
            pub(super) stamp: Stamp,
            pub(super) cell: $cell,
        }

        // SAFETY: T1: the cell has the only pointer, and reports it. T2, T7: the stamp is written when the object dies. T3, T4: its
        // destructor reaches no object, and may run anywhere. T5, T6, T10: one brand, and no other lifetime. T8: not claimed. T9: the
        // cell is in the object, and says the same of what is in it.
        unsafe impl<'gc> Trace<'gc> for $name<'gc> {
            const CELLS_INLINE: bool = <$cell>::CELLS_INLINE;
            const DROP_IS_SEND: bool = true;

            fn trace(&self, tracer: &mut Tracer<'gc>) {
                self.stamp.lives();
                self.cell.trace(tracer);
            }
        }

        impl<'gc> $name<'gc> {
            pub(super) fn new(number: usize, link: Link<'gc>) -> Self {
                let new: fn(Link<'gc>) -> $cell = $new;
                $name {
                    stamp: Stamp::new(number),
                    cell: new(link),
                }
            }
        }
    )*};
}

holders! {
    /// An object with a claimed cell under a lock.
    Shared(GcMutex<Contents<'gc>>): |link| GcMutex::new(Contents::new(link));
    /// The same under a reader-writer lock.
    Locked(GcRwLock<Contents<'gc>>): |link| GcRwLock::new(Contents::new(link));
    /// A slot under a reader-writer lock: who has it for reading may store.
    Slotted(GcRwLock<GcSlot<Link<'gc>>>): |link| GcRwLock::new(GcSlot::new(link));
    /// A cell inside a cell.
    Nested(GcRwLock<GcMutex<Contents<'gc>>>): |link| GcRwLock::new(GcMutex::new(Contents::new(link)));
    /// A cell of one thread.
    Confined(GcRefCell<Contents<'gc>>): |link| GcRefCell::new(Contents::new(link));
    /// A cell of one thread that goes from one to another, with room for a cell.
    Lent(GcMutex<Option<Outer<'gc>>>): |_| GcMutex::new(Some(GcRefCell::new(None)));
    /// The same where it has come to.
    Kept(Outer<'gc>): |_| GcRefCell::new(None);
    /// A cell that is set once.
    Once(GcOnceCell<Contents<'gc>>): |_| GcOnceCell::new();
    /// A cell with a copy.
    Copied(GcCell<Link<'gc>>): GcCell::new;
    /// A cell whose contents refuse to be traced.
    Bomb(GcRefCell<Fuse<'gc>>): |link| GcRefCell::new(Fuse(Contents::new(link)));
}

/// Contents whose `trace` panics while [`harness::trace_panics`] says so.
pub(super) struct Fuse<'gc>(pub(super) Contents<'gc>);

// SAFETY: T1, T9: the link inside is the only pointer, and in the value. T2: loom reports who writes it meanwhile, and one thread of the
// machine runs models (I17). T3, T4, T7: it has no destructor. T5, T6, T10: one brand, and no other lifetime. T8: not claimed.
unsafe impl<'gc> Trace<'gc> for Fuse<'gc> {
    const CELLS_INLINE: bool = true;
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        harness::panic_if_told();
        self.0.trace(tracer);
    }
}

// SAFETY: one thread of the machine runs a model, so no two look at once (I17); who does so without the cell's lock or claim is reported.
unsafe impl Sync for Contents<'_> {}
// SAFETY: one thread of the machine runs a model, so the value stays on it (I17).
unsafe impl Send for Contents<'_> {}

/// An object with a weak reference.
pub(super) struct Weak<'gc> {
    pub(super) stamp: Stamp,
    pub(super) target: GcWeak<'gc, Node<'gc>>,
}

// SAFETY: T1: the weak pointer is all there is, and reports its box. T2, T7: the stamp is written when the object dies. T3, T4: its
// destructor reaches no object, and may run anywhere. T5, T6, T10: one brand, and no other lifetime. T8, T9: not claimed.
unsafe impl<'gc> Trace<'gc> for Weak<'gc> {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.stamp.lives();
        self.target.trace(tracer);
    }
}

impl<'gc> Weak<'gc> {
    pub(super) fn new(number: usize, target: GcWeak<'gc, Node<'gc>>) -> Self {
        Weak {
            stamp: Stamp::new(number),
            target,
        }
    }
}
