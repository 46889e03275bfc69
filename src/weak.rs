//! Weak references.
//!
//! A `GcWeak` points at a *weak box*, a small object that holds the target's address until the target dies. The list of
//! all boxes is gone through when marking is over: a box that does not live is forgotten, a box whose target does not is cleared, that is, if it is
//! neither marked nor fresh nor early (`heap::span`). That is before the first slot is reused, so an address in a box is never that of another
//! object. See [`list`].
//!
//! **No box is missed.** A box comes to the list with its maker's next answer, or when that detaches. One that is not there at the
//! clearing was made after its maker's last answer to a round, or after a stop that ended the marking: its target, which its maker had in
//! hand, lives (I2). Nor is a box on the list, or upgraded, before its target is complete: until then `new_cyclic` leaves the address 0.
//!
//! **An upgrade against the end of marking.** While a cycle marks, an upgrade can bring back an object that only a weak
//! reference knew. By cases:
//!
//! 1. The barrier is off here. Either no cycle has armed this mutator (then it will pass a boundary before any marker
//!    starts, with the object in the heap or forgotten), or the cycle has finished clearing (the barrier goes off after it),
//!    so a box that is not cleared has a live target.
//! 2. The target is marked in this cycle: it survives it.
//! 3. The target is not marked. Under the list's lock, which the driver holds when it goes from Marking to
//!    Terminating: if the phase is before Terminating, the target goes to the worklist, and the driver, which looks at the
//!    worklist under the lock, cannot go on. If it is Terminating, the target is dead, and the upgrade fails; unless it is early,
//!    and lives for that, or the cycle has been abandoned: then the marks say nothing, nothing is cleared or freed, and the upgrade succeeds.
//!
//! Shading into the mutator's own buffer would not do for 3: the driver could step to Terminating before the
//! buffer is handed over.
//!
//! What is revived must not keep a cycle from its end for ever: [`rounds`].

mod list;
pub(crate) mod rounds;

pub(crate) use list::WeakList;

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::cycle::core::Phase;
use crate::gc::Gc;
use crate::heap::span::{Epoch, mark_of, scan_info};
use crate::mutator::{Brand, Mutation};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::twin::{self, Twin};
use crate::trace::{Trace, Tracer};

/// A weak pointer to an object: does not keep it alive.
///
/// `Copy`, two words (three for unsized targets). Made by [`Gc::downgrade`], or by [`Gc::new_cyclic`] for an object that points weakly at
/// itself. Each `downgrade` makes a small object of its own (16 bytes); copies share it. Objects of less than 16 bytes without pointers share
/// a slot of 16: each is there, for weak pointers too, until all of them are dead.
///
/// ```
/// use tricolor_gc::{Gc, GcWeak, Heap, Root, Rootable};
///
/// let heap = Heap::new();
/// let mut mutator = heap.attach();
/// let weak: Root<Rootable![GcWeak<'_, String>]> = mutator.enter(|mc| {
///     let object = Gc::new(mc, String::from("short-lived"));
///     Root::new(mc, Gc::new(mc, Gc::downgrade(object, mc)))
/// });
/// mutator.collect();
/// mutator.enter(|mc| assert!(weak.get(mc).upgrade(mc).is_none()));
/// ```
pub struct GcWeak<'gc, T: ?Sized> {
    target: NonNull<WeakBox>,
    pointer: NonNull<T>,
    brand: Brand<'gc>,
    referent: PhantomData<&'gc T>,
}

/// The object behind `GcWeak`s.
pub(crate) struct WeakBox {
    /// The target's address; 0 when it is dead, or not yet made. Written with Release by who makes it, read with Acquire; the
    /// clearing writes 0.
    address: AtomicUsize,
}

// SAFETY: a `GcWeak` gives a `Gc` to the `T`, which may be sent if `T: Sync`, and owns nothing; the box is an atomic.
unsafe impl<T: ?Sized + Sync> Send for GcWeak<'_, T> {}
// SAFETY: a `&GcWeak` gives copies of the `GcWeak`, which are `Send` by the same bound.
unsafe impl<T: ?Sized + Sync> Sync for GcWeak<'_, T> {}

impl<T: ?Sized> Clone for GcWeak<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for GcWeak<'_, T> {}

impl<T: ?Sized> fmt::Debug for GcWeak<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(GcWeak)")
    }
}

// SAFETY: T1: reports the pointer to the box; the other is not followed unless the box has an address, when the target lives (the module
// header). T2, T8: they never change. T3, T4, T6: no drop glue. T5, T10: one brand, in which it is invariant, and none is `'static` (I9).
unsafe impl<'gc, T: ?Sized> Trace<'gc> for GcWeak<'gc, T> {
    const IMMUTABLE: bool = true;
    const DROP_IS_SEND: bool = true;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.edge(self.target.addr().get());
    }
}

impl<'gc, T: ?Sized> GcWeak<'gc, T> {
    /// A weak pointer with a box of its own; without a target until [`set`](Self::set).
    pub(crate) fn unset(mc: &Mutation<'gc>, pointer: NonNull<T>) -> Self {
        let target = mc.alloc_weak_box(WeakBox {
            address: AtomicUsize::new(0),
        });
        GcWeak {
            target,
            pointer,
            brand: PhantomData,
            referent: PhantomData,
        }
    }

    fn weak_box(&self) -> &WeakBox {
        // SAFETY: this points to the box as a `Gc` would, and is traced as one: the box lives until the `enter` ends, longer than the result
        // (I2); it is initialised, in a slot of its size and alignment (I13), and used through `&` only (I1).
        unsafe { self.target.as_ref() }
    }

    /// The target exists now.
    pub(crate) fn set(self, mc: &Mutation<'gc>) {
        let address = self.pointer.cast::<u8>().addr().get();
        // Release: pairs with the Acquire of `upgrade`, here and where it waits: the object, and its mark, are seen as they were made.
        self.weak_box().address.store(address, Ordering::Release);
        mc.add_weak_box(self.target.addr().get());
    }

    /// The object, if it is alive.
    ///
    /// O(1). While a cycle is marking, an upgrade of an object that no marker has found yet takes a lock; if such upgrades have kept the
    /// cycle from its end for some time, it waits for that, ten milliseconds at most.
    pub fn upgrade(self, mc: &Mutation<'gc>) -> Option<Gc<'gc, T>> {
        // Acquire: pairs with the Release in `set`.
        let address = self.weak_box().address.load(Ordering::Acquire);
        if address == 0 || (mc.state().barrier_on() && !mc.revive(self.weak_box(), address)) {
            return None;
        }
        // SAFETY: the box has an address, so `pointer` is that of an object of the brand's heap, from a `Gc` (`downgrade`) or made since
        // (`new_cyclic`). It is not dead, by the cases of the module header, so it lives until the `enter` ends (I2).
        Some(unsafe { Gc::from_raw(self.pointer) })
    }

    /// Whether the object is dead: an [`upgrade`](Self::upgrade) would fail now. For sweeping out a table of weak pointers.
    ///
    /// Does not bring the object back, so `false` holds for the moment only: any cycle may find the object dead, the running
    /// one too. To use the object, upgrade. `true` also before the object of a [`Gc::new_cyclic`] has been made.
    ///
    /// O(1). While a cycle is marking, the question about an object that no marker has found yet takes a lock.
    ///
    /// ```
    /// use tricolor_gc::{Gc, GcRefCell, GcWeak, Heap, Root, Rootable};
    ///
    /// let heap = Heap::new();
    /// let mut mutator = heap.attach();
    /// let (table, kept) = mutator.enter(|mc| {
    ///     let names = ["kept", "dropped"].map(|name| Gc::new(mc, String::from(name)));
    ///     let weak = names.map(|name| Gc::downgrade(name, mc)).to_vec();
    ///     let table: Root<Rootable![GcRefCell<Vec<GcWeak<'_, String>>>]> =
    ///         Root::new(mc, Gc::new(mc, GcRefCell::new(weak)));
    ///     let kept: Root<Rootable![String]> = Root::new(mc, names[0]);
    ///     (table, kept)
    /// });
    /// mutator.collect();
    /// mutator.enter(|mc| {
    ///     let table = table.get(mc);
    ///     table.borrow_mut(mc).retain(|weak| !weak.is_dead(mc));
    ///     assert_eq!(table.borrow().len(), 1);
    ///     assert_eq!(table.borrow()[0].upgrade(mc), Some(kept.get(mc)));
    /// });
    /// ```
    pub fn is_dead(self, mc: &Mutation<'gc>) -> bool {
        // Acquire: pairs with the Release in `set`: the mark is seen as it was made, or a new object could be taken for a dead one.
        let address = self.weak_box().address.load(Ordering::Acquire);
        address == 0 || (mc.state().barrier_on() && mc.is_lost(address))
    }

    /// Whether the two point at the same object. Of one that is dead only copies of one weak pointer know this: it is the same as
    /// no other, whatever was made in its place.
    pub fn ptr_eq(a: Self, b: Self) -> bool {
        // Acquire: pairs with the Release in `set`, though nothing is read where the address says.
        let lives = |weak: Self| weak.weak_box().address.load(Ordering::Acquire) != 0;
        a.target == b.target
            || (core::ptr::addr_eq(a.pointer.as_ptr(), b.pointer.as_ptr()) && lives(a) && lives(b))
    }
}

impl Mutation<'_> {
    /// The mark of the object at `address`, which was read from a box since the last poll; the barrier is on.
    fn mark_at(&self, address: usize) -> Epoch {
        // SAFETY: the address was in a box since the last poll, as said above: it is that of an object in a slot that was not free (I1), and
        // no sweep frees it before the next, for the barrier is on here (I6). As long as it is not free, its chunk is mapped (I12).
        let mark = unsafe { mark_of(address) };
        // Relaxed: a mark that is not seen costs a look under the lock, which orders all that were made before marking was over.
        mark.load(Ordering::Relaxed)
    }

    /// Case 2 of the module header: whether this cycle has found the object, which is one that [`mark_at`](Self::mark_at) asks for.
    fn is_found(&self, address: usize) -> bool {
        let command = self.state().command.get();
        command.has_found(self.mark_at(address))
    }

    /// The same, when marking is over, under the lock: whether it lives, as an object does that was allocated early, if nothing leads to it.
    fn lives(&self, address: usize) -> bool {
        let mark = self.mark_at(address);
        self.state().core().found_in_cycle().has(mark)
    }

    /// Cases 2 and 3: whether the object at `address`, which was read from `weak` as [`is_found`](Self::is_found) asks, may be used.
    #[cold]
    fn revive(&self, weak: &WeakBox, mut address: usize) -> bool {
        if self.is_found(address) {
            return true;
        }
        let core = self.state().core();
        if core.weak.rounds.is_braking() {
            let now = self.wait_for_marking(weak);
            if !twin::is(Twin::StaleAfterWait) {
                address = now;
            }
            if address == 0 || !self.state().barrier_on() || self.is_found(address) {
                return address != 0;
            }
        }
        if twin::is(Twin::UpgradeNotShaded) {
            return true;
        }
        if twin::is(Twin::UpgradeShadedAtHome) {
            // SAFETY: as below, its slot is not free (I1, I6); that it lives is what this twin leaves to chance.
            unsafe { self.state().shade(address) };
            return true;
        }
        let mut transition = Some(core.weak.lock());
        if core.phase() == Phase::Terminating && !twin::is(Twin::UpgradeTooLate) {
            let found = !twin::is(Twin::UpgradeLooksOnce) && self.lives(address);
            // Relaxed: written under the lock.
            return found || core.abandoned.load(Ordering::Relaxed);
        }
        if twin::is(Twin::UpgradeUnlocked) {
            transition = None;
        }
        // SAFETY: the address was in the box when it was read, and no poll has come since: the object's slot is not free (I1, I6), and its
        // chunk is mapped (I12).
        if unsafe { scan_info(address) }.0.is_none() {
            // There is nothing to scan. A block for each such upgrade would keep the cycle from its end.
            // SAFETY: the slot is still not free (I1, I6), and its chunk is mapped (I12).
            let mark = unsafe { mark_of(address) };
            // Relaxed: the lock orders it before the clearing, the answer to *off* before the sweep.
            mark.store(self.state().command.get().epoch, Ordering::Relaxed);
        } else {
            core.worklist.push_revived(address);
            core.weak.rounds.revived();
        }
        drop(transition);
        true
    }

    /// Whether `revive` would refuse the object at `address`, which was read from a box as `is_found` asks.
    #[cold]
    fn is_lost(&self, address: usize) -> bool {
        if self.is_found(address) {
            return false;
        }
        let core = self.state().core();
        let _transition = core.weak.lock();
        // Relaxed: written under the lock.
        let abandoned = core.abandoned.load(Ordering::Relaxed);
        let over = core.phase() == Phase::Terminating || twin::is(Twin::LostTooEarly);
        over && !abandoned && !self.lives(address)
    }
}

#[cfg(test)]
mod tests {
    use crate::cycle::core::Phase;
    use crate::sync::atomic::Ordering;
    use crate::{Gc, GcRefCell, GcWeak, Heap, Root, Rootable};

    /// Each block that an upgrade hands over makes the cycle look again whether it is over.
    #[test]
    fn upgrades_of_what_has_no_pointers_keep_no_cycle_from_its_end() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let (core, mut mutator) = (heap.core(), heap.attach());
        let table: Root<Rootable![GcRefCell<Vec<GcWeak<'_, String>>>]> = mutator.enter(|mc| {
            let weak = |number: u32| Gc::downgrade(Gc::new(mc, number.to_string()), mc);
            Root::new(
                mc,
                Gc::new(mc, GcRefCell::new((0..100).map(weak).collect())),
            )
        });
        let _ = core.request_new_cycle();
        let mut driver = core.driver.lock();
        while core.phase() != Phase::Marking {
            mutator.enter(|_| ());
            let _ = core.advance(&mut driver, &mut None, 64);
        }
        mutator.enter(|mc| {
            let before = core.worklist.dry();
            for (number, weak) in table.get(mc).borrow().iter().enumerate() {
                assert_eq!(*weak.upgrade(mc).unwrap(), number.to_string());
            }
            assert_eq!(core.worklist.dry(), before);
        });
        drop(driver);
        while core.phase() != Phase::Idle {
            let _ = mutator.step(1 << 20);
        }
        assert_eq!(core.counters.swept.objects_freed.load(Ordering::Relaxed), 0);
    }
}
