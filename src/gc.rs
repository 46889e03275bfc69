//! `Gc`: the pointer.

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::error::AllocError;
use crate::mutator::{Brand, Mutation};
use crate::sync::hooks;
use crate::trace::{Trace, Tracer};
use crate::weak::GcWeak;

mod slice;

/// A pointer to an object in a heap.
///
/// One word (two for unsized types), `Copy`, with no count and no bookkeeping on copy or drop. Dereferences to `&T` only:
/// objects change through the cells in them ([`GcSlot`](crate::GcSlot) and its kin), which hold the write barrier.
///
/// The lifetime `'gc` is the brand of one [`enter`](crate::Mutator::enter): inside, the object a `Gc` points to cannot be
/// freed; outside, there are no `Gc`s.
///
/// `Debug`, `Display`, `PartialEq`, `Ord` and `Hash` are those of `T`; for identity see [`Gc::ptr_eq`] and
/// [`ByIdentity`]. `Send` and `Sync` when `T: Sync`.
///
/// ```
/// use tricolor_gc::{Gc, GcSlot, Heap, Trace};
///
/// #[derive(Trace)]
/// struct Node<'gc> {
///     value: i32,
///     next: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
/// }
///
/// Heap::new().attach().enter(|mc| {
///     let a = Gc::new(mc, Node { value: 1, next: GcSlot::new(None) });
///     let b = Gc::new(mc, Node { value: 2, next: GcSlot::new(Some(a)) });
///     a.next.set(mc, Some(b)); // a cycle
///     assert_eq!(a.next.get().unwrap().value, 2);
/// });
/// ```
pub struct Gc<'gc, T: ?Sized> {
    pointer: NonNull<T>,
    brand: Brand<'gc>,
    target: PhantomData<&'gc T>,
}

// SAFETY: a `Gc` gives a `&T`, for which `T: Sync` is enough, and owns nothing: objects are dropped where their type allows it (T4), not
// where the pointer goes.
unsafe impl<T: ?Sized + Sync> Send for Gc<'_, T> {}
// SAFETY: a `&Gc` gives copies of the `Gc`, which are `Send` by the same bound.
unsafe impl<T: ?Sized + Sync> Sync for Gc<'_, T> {}

impl<T: ?Sized> Clone for Gc<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Gc<'_, T> {}

impl<T: ?Sized> Deref for Gc<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        hooks::followed(self.pointer.addr().get());
        // SAFETY: the `enter` of the brand is not over (I9), so the object lives as long as the result (I2); it is initialised, in a slot of
        // its size and alignment (I13), and used through `&` only (I1).
        unsafe { self.pointer.as_ref() }
    }
}

// SAFETY: T1: reports the pointer; `T` need not be `Trace`, for the object is traced as the type it was made with. T2, T8: the pointer never
// changes. T3, T4, T6: no drop glue. T5, T10: one brand, in which it is invariant, and none is `'static` (I9).
unsafe impl<'gc, T: ?Sized> Trace<'gc> for Gc<'gc, T> {
    const IMMUTABLE: bool = true;
    const DROP_IS_SEND: bool = true;
    const __CAREFUL: bool = true;

    #[inline(always)]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.edge(self.pointer.addr().get());
    }
}

impl<'gc, T: Trace<'gc>> Gc<'gc, T> {
    /// Moves `value` into the heap.
    ///
    /// About a dozen instructions as long as the mutator's cache has room: O(1), without locks.
    ///
    /// A type may be aligned to 4096 bytes at most, in a slice too:
    ///
    /// ```
    /// # use tricolor_gc::{Gc, Heap, Trace};
    /// #[derive(Trace)]
    /// #[repr(align(4096))]
    /// struct Page(u8);
    ///
    /// Heap::new().attach().enter(|mc| Gc::new(mc, Page(1)).0);
    /// ```
    ///
    /// More is an error when the program is built (`cargo check` does not see it):
    ///
    /// ```compile_fail,E0080
    /// # use tricolor_gc::{Gc, Heap, Trace};
    /// #[derive(Trace)]
    /// #[repr(align(8192))]
    /// struct Page(u8);
    ///
    /// Heap::new().attach().enter(|mc| Gc::new(mc, Page(1)).0);
    /// ```
    ///
    /// # Panics
    /// If the heap's hard limit is reached or the system has no memory; see [`Gc::try_new`].
    #[inline(always)]
    pub fn new(mc: &Mutation<'gc>, value: T) -> Self {
        Gc {
            pointer: mc.alloc(value),
            brand: PhantomData,
            target: PhantomData,
        }
    }

    /// Moves `value` into the heap, if there is room.
    ///
    /// # Errors
    /// [`AllocError`] when `max_heap` is reached or the system has no memory. A cycle has been asked for; after the next
    /// boundary another try may succeed.
    pub fn try_new(mc: &Mutation<'gc>, value: T) -> Result<Self, AllocError> {
        mc.try_alloc(value).map(|pointer| Gc {
            pointer,
            brand: PhantomData,
            target: PhantomData,
        })
    }

    /// Makes an object that knows a weak pointer to itself. The pointer fails to upgrade until the object is made.
    ///
    /// ```
    /// use tricolor_gc::{Gc, GcWeak, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Selfish<'gc> {
    ///     me: GcWeak<'gc, Selfish<'gc>>,
    /// }
    ///
    /// Heap::new().attach().enter(|mc| {
    ///     let object = Gc::new_cyclic(mc, |me| {
    ///         assert!(me.upgrade(mc).is_none());
    ///         Selfish { me }
    ///     });
    ///     assert!(Gc::ptr_eq(object.me.upgrade(mc).unwrap(), object));
    /// });
    /// ```
    ///
    /// # Panics
    /// As [`Gc::new`]. If `make` panics, no object is made.
    pub fn new_cyclic(mc: &Mutation<'gc>, make: impl FnOnce(GcWeak<'gc, T>) -> T) -> Self {
        let mut weak = None;
        let pointer = mc.alloc_in_place(|pointer| {
            let unset = GcWeak::unset(mc, pointer);
            weak = Some(unset);
            make(unset)
        });
        if let Some(weak) = weak {
            weak.set(mc);
        }
        Gc {
            pointer,
            brand: PhantomData,
            target: PhantomData,
        }
    }
}

impl<'gc, T: ?Sized> Gc<'gc, T> {
    /// A `Gc` from its pointer.
    ///
    /// # Safety
    /// `pointer` is the start of an object of the heap that `'gc` is the brand of, which lives until that `enter` ends, and points at a
    /// valid `T` there.
    #[doc(hidden)]
    #[inline(always)]
    pub unsafe fn from_raw(pointer: NonNull<T>) -> Self {
        Gc {
            pointer,
            brand: PhantomData,
            target: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn raw(self) -> NonNull<T> {
        self.pointer
    }

    /// The address, for a barrier.
    #[inline(always)]
    pub(crate) fn address(self) -> usize {
        // Exposed: markers make pointers from addresses.
        self.pointer.cast::<u8>().as_ptr().expose_provenance()
    }

    /// Whether the two point at the same object.
    ///
    /// Compares addresses only, not vtables or lengths: two pointers to one object as `dyn Trait` are equal even if the
    /// compiler made two vtables. Every object has an address of its own for as long as it lives, zero-sized ones, empty
    /// slices and empty strings too, so two objects that are alive at once are never the same.
    ///
    /// ```
    /// use tricolor_gc::{Gc, Heap};
    ///
    /// Heap::new().attach().enter(|mc| {
    ///     let (a, b) = (Gc::new(mc, ()), Gc::new(mc, ()));
    ///     assert!(Gc::ptr_eq(a, a) && !Gc::ptr_eq(a, b));
    ///     assert_eq!(a, b);
    /// });
    /// ```
    #[inline]
    pub fn ptr_eq(a: Self, b: Self) -> bool {
        core::ptr::addr_eq(a.pointer.as_ptr(), b.pointer.as_ptr())
    }

    /// The address of the object, which never changes.
    #[inline]
    pub fn as_ptr(this: Self) -> *const T {
        this.pointer.as_ptr()
    }

    /// A reference for the rest of the `enter`; `Deref` gives one for as long as the `Gc` itself is borrowed.
    #[inline(always)]
    #[expect(
        clippy::should_implement_trait,
        reason = "an associated function, as all of Gc's; the trait is implemented too"
    )]
    pub fn as_ref(this: Self) -> &'gc T {
        hooks::followed(this.pointer.addr().get());
        // SAFETY: `'gc` ends with the `enter` whose brand it is (I9), and the object lives until then (I2); it is initialised, in a slot of its
        // size and alignment (I13), and used through `&` only (I1).
        unsafe { this.pointer.as_ref() }
    }

    /// A weak pointer to the object. Makes a small object.
    ///
    /// # Panics
    /// As [`Gc::new`].
    pub fn downgrade(this: Self, mc: &Mutation<'gc>) -> GcWeak<'gc, T> {
        let weak = GcWeak::unset(mc, this.pointer);
        weak.set(mc);
        weak
    }
}

/// Turns a `Gc` to a concrete type into one to an unsized type it coerces to.
///
/// A trait object without a lifetime means `+ 'static`, as in `Box<dyn Trait>`; for types that hold `Gc`s write
/// `dyn Trait + 'gc`.
///
/// ```
/// use std::fmt::Display;
/// use tricolor_gc::{Gc, Heap, gc_unsize};
///
/// Heap::new().attach().enter(|mc| {
///     let number = Gc::new(mc, 42);
///     let any: Gc<'_, dyn Display> = gc_unsize!(number => dyn Display);
///     assert_eq!(any.to_string(), "42");
///     let array: Gc<'_, [u8]> = gc_unsize!(Gc::new(mc, [1, 2, 3]) => [u8]);
///     assert_eq!(array.len(), 3);
/// });
/// ```
#[macro_export]
macro_rules! gc_unsize {
    ($gc:expr => $target:ty) => {
        $crate::Gc::__unsize::<$target>($gc, |whole| whole)
    };
}

/// An object as a whole. A reference to one coerces by unsizing only: it does not dereference, and nobody else can make one. (A
/// reference to the value would coerce to whatever the value's `Deref` says, of another object perhaps: the last field of the
/// object before has the same address if it is of no size.)
#[doc(hidden)]
#[repr(transparent)]
pub struct Whole<T: ?Sized>(T);

impl<'gc, T: ?Sized> Gc<'gc, T> {
    /// The implementation of [`gc_unsize!`](crate::gc_unsize). The closure must return its argument, which the address shows: no
    /// two objects have the same.
    #[doc(hidden)]
    pub fn __unsize<U: ?Sized>(
        this: Self,
        coerce: impl FnOnce(&'gc Whole<T>) -> &'gc Whole<U>,
    ) -> Gc<'gc, U> {
        let object: *const T = Gc::as_ref(this);
        // SAFETY: made from a `&'gc T`, which is as good for as long; `Whole` is a transparent wrapper of a `T`.
        let whole = unsafe { &*(object as *const Whole<T>) };
        let target = coerce(whole);
        assert!(
            core::ptr::addr_eq(target, object),
            "a coercion keeps the address"
        );
        Gc {
            pointer: NonNull::from(&target.0),
            brand: PhantomData,
            target: PhantomData,
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> fmt::Pointer for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.pointer, f)
    }
}

impl<T: ?Sized + PartialEq> PartialEq for Gc<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: ?Sized + Eq> Eq for Gc<'_, T> {}

impl<T: ?Sized + PartialOrd> PartialOrd for Gc<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: ?Sized + Ord> Ord for Gc<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: ?Sized + Hash> Hash for Gc<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: ?Sized> AsRef<T> for Gc<'_, T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: ?Sized> Borrow<T> for Gc<'_, T> {
    fn borrow(&self) -> &T {
        self
    }
}

/// A `Gc` that compares and hashes by identity: the address of the object.
///
/// ```
/// use std::collections::HashSet;
/// use tricolor_gc::{ByIdentity, Gc, Heap};
///
/// Heap::new().attach().enter(|mc| {
///     let (a, b) = (Gc::new(mc, 1), Gc::new(mc, 1));
///     assert_eq!(a, b);
///     let set = HashSet::from([ByIdentity(a), ByIdentity(b), ByIdentity(a)]);
///     assert_eq!(set.len(), 2);
/// });
/// ```
pub struct ByIdentity<'gc, T: ?Sized>(pub Gc<'gc, T>);

impl<T: ?Sized> Clone for ByIdentity<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for ByIdentity<'_, T> {}

impl<T: ?Sized> PartialEq for ByIdentity<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        Gc::ptr_eq(self.0, other.0)
    }
}

impl<T: ?Sized> Eq for ByIdentity<'_, T> {}

impl<T: ?Sized> Hash for ByIdentity<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.pointer.addr().hash(state);
    }
}

impl<T: ?Sized> fmt::Debug for ByIdentity<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByIdentity").field(&self.0.pointer).finish()
    }
}

// SAFETY: T1: reports its one pointer. T2, T8: which never changes. T3, T4, T6: no drop glue. T5, T10: one brand, in which it is invariant, and
// none is `'static` (I9).
unsafe impl<'gc, T: ?Sized> Trace<'gc> for ByIdentity<'gc, T> {
    const IMMUTABLE: bool = true;
    const DROP_IS_SEND: bool = true;
    const __CAREFUL: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.0.trace(tracer);
    }
}
