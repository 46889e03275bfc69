//! Slices and strings, made in their place in the heap.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::Gc;
use crate::alloc::out_of_memory;
use crate::error::AllocError;
use crate::mutator::Mutation;
use crate::trace::Trace;

impl<'gc, T: Trace<'gc>> Gc<'gc, [T]> {
    /// A slice of `len` elements, each made by `element` in its place.
    ///
    /// # Panics
    /// As [`Gc::new`]. If `element` panics, the elements made so far are dropped.
    pub fn slice_from_fn(mc: &Mutation<'gc>, len: usize, element: impl FnMut(usize) -> T) -> Self {
        Self::try_slice_from_fn(mc, len, element).unwrap_or_else(out_of_memory)
    }

    /// As [`Gc::slice_from_fn`].
    ///
    /// # Errors
    /// As [`Gc::try_new`], and for slices larger than any memory. No element has been made then.
    pub fn try_slice_from_fn(
        mc: &Mutation<'gc>,
        len: usize,
        element: impl FnMut(usize) -> T,
    ) -> Result<Self, AllocError> {
        mc.alloc_slice(len, element).map(|pointer| Gc {
            pointer,
            brand: PhantomData,
            target: PhantomData,
        })
    }

    /// A copy of a slice.
    ///
    /// # Panics
    /// As [`Gc::new`].
    pub fn copy_from_slice(mc: &Mutation<'gc>, slice: &[T]) -> Self
    where
        T: Copy,
    {
        Self::try_copy_from_slice(mc, slice).unwrap_or_else(out_of_memory)
    }

    /// A copy of a slice, if there is room.
    ///
    /// ```
    /// use tricolor_gc::{Gc, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|mc| {
    ///     assert_eq!(*Gc::try_copy_from_slice(mc, &[1, 2, 3]).unwrap(), [1, 2, 3]);
    ///     assert!(Gc::try_copy_from_slice(mc, &vec![0_u8; 2 << 20]).is_err());
    /// });
    /// # Ok::<(), tricolor_gc::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Gc::try_new`].
    pub fn try_copy_from_slice(mc: &Mutation<'gc>, slice: &[T]) -> Result<Self, AllocError>
    where
        T: Copy,
    {
        Self::try_slice_from_fn(mc, slice.len(), |index| slice[index])
    }

    /// The elements of an iterator that knows its length.
    ///
    /// # Panics
    /// As [`Gc::new`], and if the iterator yields fewer elements than it said.
    pub fn slice_from_iter<I>(mc: &Mutation<'gc>, elements: I) -> Self
    where
        I: IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    {
        Self::try_slice_from_iter(mc, elements).unwrap_or_else(out_of_memory)
    }

    /// The elements of an iterator that knows its length, if there is room.
    ///
    /// ```
    /// use tricolor_gc::{Gc, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|mc| {
    ///     let mut texts = ["a", "b"].map(String::from).into_iter();
    ///     assert_eq!(*Gc::try_slice_from_iter(mc, &mut texts).unwrap(), ["a", "b"]);
    ///     // What is refused has taken nothing from the iterator.
    ///     let mut numbers = (0..1_000_000_u32).map(u64::from).collect::<Vec<_>>().into_iter();
    ///     assert!(Gc::try_slice_from_iter(mc, &mut numbers).is_err());
    ///     assert_eq!(numbers.len(), 1_000_000);
    /// });
    /// # Ok::<(), tricolor_gc::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Gc::try_new`]. No element has been taken from the iterator then.
    ///
    /// # Panics
    /// If the iterator yields fewer elements than it said.
    pub fn try_slice_from_iter<I>(mc: &Mutation<'gc>, elements: I) -> Result<Self, AllocError>
    where
        I: IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    {
        let mut elements = elements.into_iter();
        Self::try_slice_from_fn(mc, elements.len(), |_| {
            elements
                .next()
                .expect("the iterator is shorter than its len()")
        })
    }
}

impl<'gc> Gc<'gc, str> {
    /// A copy of a string.
    ///
    /// # Panics
    /// As [`Gc::new`].
    pub fn new_str(mc: &Mutation<'gc>, text: &str) -> Self {
        Self::try_new_str(mc, text).unwrap_or_else(out_of_memory)
    }

    /// A copy of a string, if there is room.
    ///
    /// ```
    /// use tricolor_gc::{Gc, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|mc| {
    ///     assert_eq!(&*Gc::try_new_str(mc, "short").unwrap(), "short");
    ///     assert!(Gc::try_new_str(mc, &"long".repeat(1 << 20)).is_err());
    /// });
    /// # Ok::<(), tricolor_gc::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Gc::try_new`].
    pub fn try_new_str(mc: &Mutation<'gc>, text: &str) -> Result<Self, AllocError> {
        let bytes = Gc::try_copy_from_slice(mc, text.as_bytes())?;
        // SAFETY: the pointer of a `Gc` is a `NonNull`; the cast keeps the address.
        let pointer = unsafe { NonNull::new_unchecked(bytes.pointer.as_ptr() as *mut str) };
        // SAFETY: the start of an object of `mc`'s heap, which lives until the `enter` ends (I2); its bytes are a copy of a `str`'s.
        Ok(unsafe { Self::from_raw(pointer) })
    }
}
