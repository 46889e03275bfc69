//! `GcSlot`: one traced word.
//!
//! The only cell without a scan word: an atomic word can be read by a marker while a mutator writes it.
//!
//! **What a store overwrites.** While Hybrid arms, a store is an *exchange*: the barrier shades exactly the word it overwrote,
//! also when two mutators write at once (a load and then a store would lose the value written between; the twin
//! `LoadThenStore`, and whippet#12). After T2, and from the start under Deletion, which arms in a stop, a load and a
//! store are enough, and cost about half: all that must be shaded is what the slot held at T2 (see `cycle::driver`). Of all
//! who store after T2, the first in the slot's order has loaded before its store, so it has loaded no later word, and none
//! earlier than that of T2 either, because the handshake orders all stores before T2 before its load. What is
//! overwritten later was put there after T2: it was held at T2, or is shaded, or is a new object and black, or early. Under Insertion
//! nothing overwritten is shaded.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::gc::Gc;
use crate::mark::tracer::Tracer;
use crate::mutator::Mutation;
use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::sync::hooks;
use crate::sync::thread;
use crate::sync::twin::{self, Twin};
use crate::trace::Trace;

/// A value that a [`GcSlot`] can hold: one word that is a heap pointer, or none, and can be told apart.
///
/// Implemented for `Gc<'gc, T>` and `Option<Gc<'gc, T>>`; implement it for tagged words of your own.
///
/// # Safety
/// - The type implements the trait for one brand, that of the heap of its pointers.
/// - `from_word(x.into_word())` is `x`.
/// - `object(w)` is the address of the heap object that a value with the word `w` points to (made by `into_word` of a value
///   with that pointer in it), without any tag bits; `None` only if it points to none. A value points to one object at most.
/// - None of the three panics: a barrier asks for the objects of a store that has been done.
pub unsafe trait SlotValue<'gc>: Copy {
    /// The value as a word. Heap pointers keep their provenance.
    fn into_word(self) -> *mut ();

    /// The value of a word.
    ///
    /// # Safety
    /// `word` was made by `into_word` of a value of this type, in the `enter` whose brand this is or in an earlier one of the same heap,
    /// and the object that it points to, if any, lives until that `enter` ends.
    unsafe fn from_word(word: *mut ()) -> Self;

    /// The object that the word points to.
    fn object(word: *mut ()) -> Option<NonNull<()>>;
}

// SAFETY: one brand, for `Gc` is invariant in it (I9). The word is the pointer, and so is the object; nothing here panics.
unsafe impl<'gc, T> SlotValue<'gc> for Gc<'gc, T> {
    #[inline(always)]
    fn into_word(self) -> *mut () {
        self.raw().as_ptr().cast()
    }

    #[inline(always)]
    unsafe fn from_word(word: *mut ()) -> Self {
        // SAFETY: not null (I14): `into_word` of a `Gc` made the word, by the caller's contract.
        let pointer = unsafe { NonNull::new_unchecked(word.cast()) };
        // SAFETY: `into_word` of a `Gc` to a `T` in this heap made the word, and the object lives until the `enter` ends (I2): the caller's contract.
        unsafe { Gc::from_raw(pointer) }
    }

    #[inline(always)]
    fn object(word: *mut ()) -> Option<NonNull<()>> {
        NonNull::new(word)
    }
}

// SAFETY: one brand, for `Gc` is invariant in it (I9). The word is the pointer, which is the object, or null, which no `Gc` is; nothing here
// panics.
unsafe impl<'gc, T> SlotValue<'gc> for Option<Gc<'gc, T>> {
    #[inline(always)]
    fn into_word(self) -> *mut () {
        self.map_or(core::ptr::null_mut(), SlotValue::into_word)
    }

    #[inline(always)]
    unsafe fn from_word(word: *mut ()) -> Self {
        // SAFETY: `into_word` of a `Gc` to a `T` in this heap made a word that is not null, and the object lives until the `enter` ends (I2): the
        // caller's contract.
        NonNull::new(word.cast()).map(|pointer| unsafe { Gc::from_raw(pointer) })
    }

    #[inline(always)]
    fn object(word: *mut ()) -> Option<NonNull<()>> {
        NonNull::new(word)
    }
}

/// One traced word: a `Gc`, an `Option<Gc>`, or a tagged word of yours ([`SlotValue`]). The cheapest cell, which threads may share.
///
/// As large as the pointer, and `Sync`: `get` is an Acquire load, `set` a Release store (an exchange while a cycle arms).
/// A pointer to a slice or a string is two words: [`GcCell`](crate::GcCell) holds those.
///
/// ```
/// use tricolor_gc::{Gc, GcSlot, Heap};
///
/// Heap::new().attach().enter(|mc| {
///     let (a, b) = (Gc::new(mc, 1), Gc::new(mc, 2));
///     let slot = Gc::new(mc, GcSlot::new(Some(a)));
///     assert_eq!(slot.swap(mc, Some(b)), Some(a));
///     slot.set(mc, None);
///     assert!(slot.get().is_none());
/// });
/// ```
pub struct GcSlot<P> {
    word: AtomicPtr<()>,
    /// Auto traits of the values.
    value: PhantomData<P>,
    /// Invariant in them: what is written through one view of the slot is read through another.
    invariant: PhantomData<fn(P) -> P>,
}

impl<P> GcSlot<P> {
    /// A slot with a value.
    #[inline]
    pub fn new<'gc>(value: P) -> Self
    where
        P: SlotValue<'gc>,
    {
        GcSlot {
            word: AtomicPtr::new(value.into_word()),
            value: PhantomData,
            invariant: PhantomData,
        }
    }

    /// The value.
    #[inline(always)]
    pub fn get<'gc>(&self) -> P
    where
        P: SlotValue<'gc>,
    {
        hooks::slot_used();
        // Acquire: pairs with the Release of `set`: the object is seen as it was when it was stored.
        let word = self.word.load(Ordering::Acquire);
        hooks::loaded(|| address::<P>(word));
        // SAFETY: a slot holds the word of a `P` of this heap: only `new`, `set` and their like write it, `P` has one brand, and the slot is
        // invariant in it. What is read from a slot lives until the `enter` ends (I2).
        unsafe { P::from_word(word) }
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn set<'gc>(&self, mc: &Mutation<'gc>, value: P)
    where
        P: SlotValue<'gc>,
    {
        hooks::slot_used();
        let word = value.into_word();
        if self.write_begins(mc) {
            self.set_shading::<P>(mc, word);
        } else {
            hooks::stored(|| address::<P>(word));
            // Release: pairs with the Acquire of `get`, of the exchanges and of the markers' load.
            self.word.store(word, Ordering::Release);
        }
    }

    /// Replaces the value and returns the old one.
    #[inline]
    pub fn swap<'gc>(&self, mc: &Mutation<'gc>, value: P) -> P
    where
        P: SlotValue<'gc>,
    {
        hooks::slot_used();
        let word = value.into_word();
        let old = if self.write_begins(mc) {
            self.swap_word::<P>(mc, word)
        } else {
            // Acquire as in `get`: pairs with the Release of who stored what comes back. Release as in `set`.
            self.word.swap(word, Ordering::AcqRel)
        };
        // SAFETY: a slot holds words of `P`s of this heap only. What comes back was read from it inside this `enter`, so it lives
        // until that ends, though the slot has lost it (I2).
        unsafe { P::from_word(old) }
    }

    /// Takes the value out and leaves the default one, `None` of an option.
    ///
    /// ```
    /// use tricolor_gc::{Gc, GcSlot, Heap};
    ///
    /// Heap::new().attach().enter(|mc| {
    ///     let slot = GcSlot::new(Some(Gc::new(mc, 1)));
    ///     assert_eq!(slot.take(mc).as_deref(), Some(&1));
    ///     assert!(slot.get().is_none());
    /// });
    /// ```
    #[inline]
    pub fn take<'gc>(&self, mc: &Mutation<'gc>) -> P
    where
        P: SlotValue<'gc> + Default,
    {
        self.swap(mc, P::default())
    }

    /// Replaces the value if it is `current`.
    ///
    /// # Errors
    /// The value found, if it is another.
    pub fn compare_exchange<'gc>(&self, mc: &Mutation<'gc>, current: P, new: P) -> Result<P, P>
    where
        P: SlotValue<'gc>,
    {
        hooks::slot_used();
        let new = new.into_word();
        let barrier_on = self.write_begins(mc);
        // Acquire, also where it fails, as in `get`: pairs with the Release of who stored what is found. Release as in `set`.
        let result = self.word.compare_exchange(
            current.into_word(),
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match result {
            Ok(old) => {
                if barrier_on {
                    let (before, now) = (address::<P>(old), address::<P>(new));
                    // SAFETY: the objects of both words (`SlotValue`): what is read from a slot lives until the `enter` ends, as does
                    // what is at hand (I2).
                    unsafe { mc.state().slot_written(before, now) };
                }
                // SAFETY: a slot holds words of `P`s of this heap only. What comes back was read from it inside this `enter`, so it lives
                // until that ends, though the slot has lost it (I2).
                Ok(unsafe { P::from_word(old) })
            }
            // SAFETY: a slot holds words of `P`s of this heap only; what is read from it lives until the `enter` ends (I2).
            Err(found) => Err(unsafe { P::from_word(found) }),
        }
    }

    #[inline(always)]
    fn write_begins(&self, mc: &Mutation<'_>) -> bool {
        mc.state().write_begins((&raw const self.word).addr())
    }

    /// The store with its barrier, by a load and a store where that is enough, see the module header.
    #[cold]
    #[inline(never)]
    fn set_shading<'gc, Q: SlotValue<'gc>>(&self, mc: &Mutation<'gc>, word: *mut ()) {
        let old = if mc.state().may_load_then_store() || twin::is(Twin::LoadThenStore) {
            // Acquire: pairs with the Release of who stored the old word, so that its object is handed to a marker as it was made.
            let old = self.word.load(Ordering::Acquire);
            if twin::is(Twin::LoadThenStore) {
                // loom would not find this point by itself: a load that a store of the same thread follows hides what others read before.
                thread::yield_now();
            }
            // Release: pairs with the Acquire of `get` and of the markers' load.
            self.word.store(word, Ordering::Release);
            old
        } else {
            // Acquire and Release: as of the load and the store above.
            self.word.swap(word, Ordering::AcqRel)
        };
        let (before, now) = (address::<Q>(old), address::<Q>(word));
        // SAFETY: the objects of both words (`SlotValue`): what is read from a slot lives until the `enter` ends, as does what is at
        // hand (I2).
        unsafe { mc.state().slot_written(before, now) };
    }

    /// The exchange with its barrier. The shading may come after the store: no boundary and no poll lies between.
    #[cold]
    #[inline(never)]
    fn swap_word<'gc, Q: SlotValue<'gc>>(&self, mc: &Mutation<'gc>, word: *mut ()) -> *mut () {
        // Acquire: pairs with the Release of who stored what comes back. Release: with the Acquire of `get` and of the markers' load.
        let old = self.word.swap(word, Ordering::AcqRel);
        let (before, now) = (address::<Q>(old), address::<Q>(word));
        // SAFETY: the objects of both words (`SlotValue`): what is read from a slot lives until the `enter` ends, as does what is at
        // hand (I2).
        unsafe { mc.state().slot_written(before, now) };
        old
    }
}

fn address<'gc, P: SlotValue<'gc>>(word: *mut ()) -> Option<usize> {
    P::object(word).map(|object| object.as_ptr().expose_provenance())
}

impl<T> Default for GcSlot<Option<Gc<'_, T>>> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<'gc, P: SlotValue<'gc> + fmt::Debug + 'gc> fmt::Debug for GcSlot<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GcSlot").field(&self.get()).finish()
    }
}

// SAFETY: T1: reports the one pointer it holds, by the contract of `SlotValue`. T2: an atomic word may be read while mutators write it.
// T3, T4, T6: a `Copy` value has no drop glue. T5: one brand, by that contract. T8: is not `IMMUTABLE`. T9: the word lies in the value.
unsafe impl<'gc, P: SlotValue<'gc>> Trace<'gc> for GcSlot<P> {
    const CELLS_INLINE: bool = true;
    const DROP_IS_SEND: bool = true;
    const __CAREFUL: bool = true;

    #[inline(always)]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        // Acquire: pairs with the Release of the store, so that the object is seen initialised.
        if let Some(object) = address::<P>(self.word.load(Ordering::Acquire)) {
            tracer.edge(object);
        }
    }
}
