//! `Root`: a handle that keeps an object alive from outside the heap.

pub(crate) mod table;

use core::fmt;
use core::ptr::NonNull;

use self::table::SlotRef;
use crate::gc::Gc;
use crate::mutator::Mutation;
use crate::sync::planted::{Planted, strikes};
use crate::sync::twin::{self, Twin};

/// A type family: a type for each brand. `Rootable![Node<'_>]` names the family of `Node`.
pub trait Rootable<'a> {
    /// The family's type for the brand `'a`.
    type Root: ?Sized;
}

/// What [`Rootable!`](crate::Rootable!) names.
#[doc(hidden)]
pub struct __DynRootable<T: ?Sized>(core::marker::PhantomData<T>);

impl<'a, T: ?Sized + Rootable<'a>> Rootable<'a> for __DynRootable<T> {
    type Root = <T as Rootable<'a>>::Root;
}

/// The family of a type, for [`Root`] and [`Arena`](crate::Arena): `Rootable![Node<'_>]` or `Rootable!['gc => Node<'gc>]`.
///
/// Every elided lifetime (`'_`) in the type is the brand.
///
/// ```
/// use tricolor_gc::{Gc, GcRefCell, Root, Rootable};
///
/// type Names = Rootable![GcRefCell<Vec<Gc<'_, String>>>];
/// fn keep(root: Root<Names>) -> Root<Names> {
///     root
/// }
/// ```
#[macro_export]
macro_rules! Rootable {
    ($gc:lifetime => $root:ty) => {
        $crate::__DynRootable::<dyn for<$gc> $crate::Rootable<$gc, Root = $root>>
    };
    ($root:ty) => {
        $crate::Rootable!['__gc => $crate::__unelide_lifetimes!('__gc; $root)]
    };
}

/// A handle that keeps an object alive, and what it reaches.
///
/// `'static`: lives outside `enter`, in the embedder's own data. Making, cloning and dropping one is O(1), dropping works on
/// any thread, without a mutator, at any time. A handle that outlives its heap is inert. `Send` and `Sync` when the object
/// is `Sync`.
///
/// The room of a root that was there when a cycle began, or was made later in an `enter` that is older than the cycle, and is dropped beside
/// it is used again after its marking. A full cycle goes through the whole table of roots, sixteen bytes for each, a minor one through the
/// parts in which something has changed; it shrinks at the end of a cycle when most of it is empty. Now and then making a
/// root copies its directory, of 8 bytes for 252 roots. For what comes and goes often, one root with a cell of pointers is better than
/// many.
///
/// ```
/// use tricolor_gc::{Gc, Heap, Root, Rootable};
///
/// let heap = Heap::new();
/// let mut mutator = heap.attach();
/// let root: Root<Rootable![String]> =
///     mutator.enter(|mc| Root::new(mc, Gc::new(mc, String::from("kept"))));
/// mutator.collect();
/// mutator.enter(|mc| assert_eq!(*root.get(mc), "kept"));
/// ```
pub struct Root<R: ?Sized + for<'a> Rootable<'a>> {
    slot: SlotRef,
    pointer: NonNull<<R as Rootable<'static>>::Root>,
}

// SAFETY: a handle gives `Gc`s to an object that is `Sync`, which are `Send`; to drop it drops no object. `SlotRef` is `Send` itself (I15).
unsafe impl<R: ?Sized + for<'a> Rootable<'a>> Send for Root<R> where
    for<'a> <R as Rootable<'a>>::Root: Sync
{
}
// SAFETY: a shared handle gives `Gc`s to an object that is `Sync`, which are `Send`, and clones of itself. `SlotRef` is `Sync` itself (I15).
unsafe impl<R: ?Sized + for<'a> Rootable<'a>> Sync for Root<R> where
    for<'a> <R as Rootable<'a>>::Root: Sync
{
}

impl<R: ?Sized + for<'a> Rootable<'a>> Root<R> {
    /// Keeps `object` alive until this handle and all its clones are dropped.
    ///
    /// Where the system refuses memory for the table of roots, the process ends, as with any memory that a collection of std is refused.
    pub fn new<'gc>(mc: &Mutation<'gc>, object: Gc<'gc, <R as Rootable<'gc>>::Root>) -> Self {
        let slot = mc.take_root_slot();
        slot.fill(object.address(), mc.state().barrier_on());
        let forgotten = mc.state().barrier_on() && strikes(Planted::DropsRootShades);
        if !twin::is(Twin::RootNotShaded) && !forgotten {
            mc.shade_if_on(object);
        }
        let raw = object.raw();
        // A transmute between pointers to one type family, which differ in the brand only; `transmute` itself cannot see
        // that their sizes agree.
        const { assert!(size_of::<NonNull<<R as Rootable<'static>>::Root>>() <= 2 * size_of::<usize>()) };
        assert_eq!(
            size_of_val(&raw),
            size_of::<NonNull<<R as Rootable<'static>>::Root>>()
        );
        // SAFETY: as large, by the assertion above, and as valid: a `NonNull` to the same type but for a lifetime, of which layouts know
        // nothing.
        let pointer = unsafe { core::mem::transmute_copy(&raw) };
        Root { slot, pointer }
    }

    /// The object.
    ///
    /// # Panics
    /// If the handle belongs to another heap than `mc`.
    #[inline]
    pub fn get<'gc>(&self, mc: &Mutation<'gc>) -> Gc<'gc, <R as Rootable<'gc>>::Root> {
        self.try_get(mc).unwrap_or_else(|| self.wrong_heap(mc))
    }

    /// The object, or `None` if the handle belongs to another heap than `mc`.
    #[inline]
    pub fn try_get<'gc>(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, <R as Rootable<'gc>>::Root>> {
        if self.slot.heap() != mc.heap_id() {
            return None;
        }
        // SAFETY: made in `new` of a `NonNull` to the same type but for a lifetime, and as large, as was asserted there.
        let pointer: NonNull<<R as Rootable<'gc>>::Root> =
            unsafe { core::mem::transmute_copy(&self.pointer) };
        // SAFETY: made of a `Gc` to the object, which lives (I15), in the heap of `mc`, by the test above, whose brand is `'gc` (I9).
        Some(unsafe { Gc::from_raw(pointer) })
    }

    #[cold]
    fn wrong_heap(&self, mc: &Mutation<'_>) -> ! {
        panic!(
            "a Root of heap {} was used with heap {}",
            self.slot.heap(),
            mc.heap_id()
        )
    }

    /// Whether the two keep the same object alive.
    /// (Or kept, of a heap that is gone.)
    pub fn ptr_eq(a: &Self, b: &Self) -> bool {
        // A heap may lie where one lay that is gone.
        a.heap_id() == b.heap_id() && core::ptr::addr_eq(a.pointer.as_ptr(), b.pointer.as_ptr())
    }

    /// A number that identifies the heap that the handle belongs to, among all of the process.
    pub fn heap_id(&self) -> u64 {
        self.slot.heap()
    }
}

impl<R: ?Sized + for<'a> Rootable<'a>> Clone for Root<R> {
    /// Another handle to the same object.
    ///
    /// # Panics
    /// If there are more than two thousand million.
    fn clone(&self) -> Self {
        self.slot.retain();
        Root {
            slot: self.slot,
            pointer: self.pointer,
        }
    }
}

impl<R: ?Sized + for<'a> Rootable<'a>> Drop for Root<R> {
    #[inline]
    fn drop(&mut self) {
        self.slot.release();
    }
}

impl<R: ?Sized + for<'a> Rootable<'a>> fmt::Debug for Root<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("heap", &self.slot.heap())
            .field("object", &self.pointer.cast::<()>())
            .finish()
    }
}

impl Mutation<'_> {
    /// A free slot of the root table, from the mutator's own stock.
    #[inline]
    fn take_root_slot(&self) -> SlotRef {
        // SAFETY: this thread is inside, so the stock is its own (I4); `take_first` does not call out: there is no other borrow.
        let stock = unsafe { &mut *self.state().root_slots.get() };
        if let Some(slot) = stock.pop() {
            return slot;
        }
        self.state().core().roots.take_first(stock)
    }
}
