//! What the collector knows of a Rust type: how to trace it, how to drop it, how large it is.
//!
//! One `TypeInfo` per type (and one per slice type) is a constant in the program's read-only data; a span's descriptor
//! points at it, so objects carry no header. Its address is the key of the allocation cache; the compiler may emit
//! a constant more than once, so equality of the contents, [`TypeInfo::same`], is what makes two types share spans.

use core::marker::PhantomData;
use core::mem::{align_of, needs_drop, size_of};
use core::ops::Range;

use super::layout::{GRANULE, MAX_SMALL, PAGE, round_up};
use crate::mark::marker::{LARGE, Marker};
use crate::trace::{Trace, Tracer};

/// Traces the object at the address; the second argument is the slot size. As [`trace_one`], or [`trace_slice`], of its type.
pub(crate) type TraceFn = unsafe fn(*const u8, usize, &mut Tracer<'static>);
/// The mark loop compiled for one type, see [`Marker::scan_as`]: scans the marked object at the address, whose slot size
/// is the third argument, and then what it meets next while that is of the same type, at most so many objects in all.
/// Returns a marked object that is still to be scanned, or 0. As [`scan_one`], or [`scan_slice`], of its type.
pub(crate) type ScanFn = unsafe fn(&mut Marker, usize, usize, usize) -> usize;
/// Drops the object at the address in place; the second argument is the slot size. As [`drop_one`], or [`drop_slice`], of its type.
pub(crate) type DropFn = unsafe fn(*mut u8, usize);

/// How objects of one type are handled. The alignment keeps the low address bits free: the allocation cache uses the
/// address as its hash.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct TypeInfo {
    /// `None` for types without pointers into the heap.
    pub(crate) trace: Option<TraceFn>,
    /// `None` for the same types.
    pub(crate) scan: Option<ScanFn>,
    /// `None` for types without drop glue.
    pub(crate) drop: Option<DropFn>,
    /// Calls the type's `trace`, of a value that nobody else has, as [`trace_one`] or [`trace_slice`]: for types with drop glue, which may own
    /// memory, and whose values any thread may have.
    pub(crate) measure: Option<TraceFn>,
    /// Size of one object in bytes, rounded up to its alignment and to a granule; 0 for slices, whose slots differ.
    pub(crate) slot_size: usize,
    /// Alignment in bytes.
    pub(crate) align: usize,
    /// The drop glue must run on the thread that made the object.
    pub(crate) local_drop: bool,
    /// Where the cells of an object are.
    pub(crate) cells: Cells,
    /// For diagnostics.
    pub(crate) name: fn() -> &'static str,
}

/// Where the cells are through which the pointers of an object may change while it is in the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cells {
    /// There are none.
    None,
    /// All of them in its own bytes.
    Inside,
    /// In memory that it owns, too.
    Elsewhere,
}

impl TypeInfo {
    /// Whether the pointers in an object may change.
    pub(crate) fn is_mutable(&self) -> bool {
        self.cells != Cells::None
    }

    /// Whether spans of the two may be shared.
    pub(crate) fn same(&self, other: &TypeInfo) -> bool {
        self.trace.map(|f| f as usize) == other.trace.map(|f| f as usize)
            // The compiler may merge the `trace` of two types, which then still differ in the size of their elements.
            && self.scan.map(|f| f as usize) == other.scan.map(|f| f as usize)
            && self.drop.map(|f| f as usize) == other.drop.map(|f| f as usize)
            && self.measure.map(|f| f as usize) == other.measure.map(|f| f as usize)
            && (self.slot_size, self.align, self.local_drop, self.cells)
                == (other.slot_size, other.align, other.local_drop, other.cells)
    }
}

/// Plain data: nothing to trace, nothing to drop.
pub(crate) static PLAIN: TypeInfo = PLAIN_DATA;

const PLAIN_DATA: TypeInfo = TypeInfo {
    trace: None,
    scan: None,
    drop: None,
    measure: None,
    slot_size: 0,
    align: GRANULE,
    local_drop: false,
    cells: Cells::None,
    name: || "plain data",
};

/// Plain data in slices of over-aligned elements, whose slots have exact sizes.
pub(crate) static OVER_ALIGNED: TypeInfo = TypeInfo {
    align: super::layout::MAX_ALIGN,
    ..PLAIN_DATA
};

/// The carrier of the constants of `T`.
pub(crate) struct InfoOf<T: ?Sized>(PhantomData<T>);

impl<'gc, T: Trace<'gc>> InfoOf<T> {
    /// Neither traced nor dropped: allocated by size class alone.
    pub(crate) const PLAIN: bool = !T::NEEDS_TRACE && !needs_drop::<T>();
    /// Where the cells of an object are.
    const CELLS: Cells = if !T::NEEDS_TRACE || T::IMMUTABLE {
        Cells::None
    } else if T::CELLS_INLINE {
        Cells::Inside
    } else {
        Cells::Elsewhere
    };
    /// Bytes of a slot of `T`.
    pub(crate) const SLOT: usize = {
        let unit = if align_of::<T>() > GRANULE {
            align_of::<T>()
        } else {
            GRANULE
        };
        let size = round_up(size_of::<T>(), unit);
        if size == 0 { unit } else { size }
    };
    /// Bytes of the slot of a `T` as its span has them: a large object's is whole pages.
    const SPAN_SLOT: usize = if Self::SLOT > MAX_SMALL {
        round_up(Self::SLOT, PAGE)
    } else {
        Self::SLOT
    };
    const INFO: TypeInfo = TypeInfo {
        trace: if T::NEEDS_TRACE {
            Some(trace_one::<T>)
        } else {
            None
        },
        scan: if T::NEEDS_TRACE {
            Some(scan_one::<T>)
        } else {
            None
        },
        drop: if needs_drop::<T>() {
            Some(drop_one::<T>)
        } else {
            None
        },
        measure: if needs_drop::<T>() && T::DROP_IS_SEND && T::__ANSWERS.measured {
            Some(trace_one::<T>)
        } else {
            None
        },
        slot_size: Self::SLOT,
        align: align_of::<T>(),
        local_drop: needs_drop::<T>() && !T::DROP_IS_SEND,
        cells: InfoOf::<T>::CELLS,
        name: core::any::type_name::<T>,
    };

    /// The constant of `T`.
    #[inline(always)]
    pub(crate) fn info() -> &'static TypeInfo {
        const { &Self::INFO }
    }
}

impl<'gc, T: Trace<'gc>> InfoOf<[T]> {
    const INFO: TypeInfo = TypeInfo {
        trace: if T::NEEDS_TRACE {
            Some(trace_slice::<T>)
        } else {
            None
        },
        scan: if T::NEEDS_TRACE {
            Some(scan_slice::<T>)
        } else {
            None
        },
        drop: if needs_drop::<T>() {
            Some(drop_slice::<T>)
        } else {
            None
        },
        measure: if needs_drop::<T>() && T::DROP_IS_SEND && T::__ANSWERS.measured {
            Some(trace_slice::<T>)
        } else {
            None
        },
        slot_size: 0,
        align: align_of::<T>(),
        local_drop: needs_drop::<T>() && !T::DROP_IS_SEND,
        cells: InfoOf::<T>::CELLS,
        name: core::any::type_name::<[T]>,
    };

    /// The constant of `[T]`.
    #[inline(always)]
    pub(crate) fn slice_info() -> &'static TypeInfo {
        const { &Self::INFO }
    }
}

/// The word at the end of a slice's slot that holds its length. Kept at the end, not in front, so that the address of
/// every object that is traced or dropped, sized or not, is the address of its slot.
///
/// # Safety
/// `slot` is the start of a slot of `slot_size` bytes, for a slice that is traced or dropped.
#[inline(always)]
pub(crate) unsafe fn slice_len(slot: *mut u8, slot_size: usize) -> *mut usize {
    // SAFETY: the slot has `slot_size` bytes, by the caller, and a granule at least (I13): its last word lies in it.
    unsafe { slot.add(slot_size - size_of::<usize>()) }.cast()
}

/// # Safety
/// As [`Marker::drain`]; `object` is marked, a `T` in a slot of `slot_size` bytes.
unsafe fn scan_one<'gc, T: Trace<'gc>>(
    marker: &mut Marker,
    object: usize,
    slot_size: usize,
    most: usize,
) -> usize {
    debug_assert_eq!(slot_size, InfoOf::<T>::SPAN_SLOT);
    // A constant, so that counting bytes is counting objects.
    let slot_size = InfoOf::<T>::SPAN_SLOT;
    let trace = |object: *const u8, slot_size, tracer: &mut Tracer<'static>| {
        // SAFETY: `scan_as` gives it live objects with this loop (I12), so `T`s, or of a type that the same code traces: initialised
        // (I13), and nobody writes their unclaimed contents (I3).
        unsafe { trace_one::<T>(object, slot_size, tracer) }
    };
    // SAFETY: the caller's contract; every `T` has a slot of `SPAN_SLOT` bytes (I13), and `trace` is its function.
    unsafe { marker.scan_as(scan_one::<T>, trace, object, slot_size, true, most) }
}

/// # Safety
/// As [`Marker::drain`]; `object` is marked, a slice of `T` in a slot of `slot_size` bytes.
unsafe fn scan_slice<'gc, T: Trace<'gc>>(
    marker: &mut Marker,
    object: usize,
    slot_size: usize,
    most: usize,
) -> usize {
    let trace = |object: *const u8, slot_size, tracer: &mut Tracer<'static>| {
        // SAFETY: `scan_as` gives it live slices with this loop (I12), so of `T`s, or of a type that the same code traces, and their slots'
        // sizes: initialised (I13), and nobody writes their unclaimed contents (I3).
        unsafe { trace_slice::<T>(object, slot_size, tracer) }
    };
    if slot_size > LARGE {
        let start = core::ptr::with_exposed_provenance_mut::<u8>(object);
        // SAFETY: the caller gives the start and the size of the slot of a slice (I13), which is traced.
        let len = unsafe { slice_len(start, slot_size) };
        // SAFETY: the last word of the slot is the length, written before anybody knew of the slice (I13), and aligned as slots end.
        let len = unsafe { len.read() };
        // SAFETY: the caller's contract, for `object` too: a slice of `T`, whose function `trace_piece` is, of `len` elements.
        let taken =
            unsafe { marker.takes_slice(object, len, size_of::<T>(), slot_size, trace_piece::<T>) };
        if taken {
            return 0;
        }
    }
    // SAFETY: the caller's contract; `trace` is the function of slices of `T`.
    unsafe { marker.scan_as(scan_slice::<T>, trace, object, slot_size, false, most) }
}

/// # Safety
/// `object` is the address of a live, initialised slice of `T` whose unclaimed contents no thread writes (I3), and which has the
/// elements of the range.
unsafe fn trace_piece<'gc, T: Trace<'gc>>(
    object: usize,
    elements: Range<usize>,
    tracer: &mut Tracer<'static>,
) {
    let tracer = tracer.rebrand();
    let start = core::ptr::with_exposed_provenance::<T>(object);
    // SAFETY: the slice has the elements of the range (I13), by the caller's contract: the first lies in it, or at its end.
    let first = unsafe { start.add(elements.start) };
    // SAFETY: elements of the slice, by the caller's contract: live, initialised, aligned (I13), their unclaimed contents not written (I3).
    let piece = unsafe { core::slice::from_raw_parts(first, elements.len()) };
    for element in piece {
        element.trace(tracer);
    }
}

/// # Safety
/// `object` points at an initialised `T` that has not been dropped, whose unclaimed contents no thread writes (I3).
#[inline(always)]
unsafe fn trace_one<'gc, T: Trace<'gc>>(object: *const u8, _: usize, tracer: &mut Tracer<'static>) {
    // SAFETY: an initialised `T`, not dropped, whose unclaimed contents nobody writes, by the caller's contract; aligned as `T` asks (I13).
    let object = unsafe { &*object.cast::<T>() };
    object.trace(tracer.rebrand());
}

/// # Safety
/// `object` points at an initialised slice of `T` in a slot of `slot_size` bytes that has not been dropped, whose unclaimed contents no thread writes (I3).
#[inline(always)]
unsafe fn trace_slice<'gc, T: Trace<'gc>>(
    object: *const u8,
    slot_size: usize,
    tracer: &mut Tracer<'static>,
) {
    let tracer = tracer.rebrand();
    // SAFETY: the caller gives the start and the size of the slot of a slice (I13), which is traced.
    let len = unsafe { slice_len(object.cast_mut(), slot_size) };
    // SAFETY: the last word of the slot is the length, written before anybody knew of the slice (I13), and aligned as slots end.
    let len = unsafe { len.read() };
    // SAFETY: `len` elements were made before that was written, aligned as `T` asks (I13); the slice has not been dropped, and nobody writes its
    // unclaimed contents, by the caller's contract.
    let slice = unsafe { core::slice::from_raw_parts(object.cast::<T>(), len) };
    for element in slice {
        element.trace(tracer);
    }
}

/// # Safety
/// `object` points at an initialised `T` that nobody uses any more, that has not been dropped, and that may be dropped on this
/// thread.
unsafe fn drop_one<T>(object: *mut u8, _: usize) {
    // SAFETY: the caller's contract; aligned as `T` asks (I13).
    unsafe { object.cast::<T>().drop_in_place() }
}

/// # Safety
/// `object` points at an initialised slice of `T` in a slot of `slot_size` bytes, otherwise as [`drop_one`].
unsafe fn drop_slice<T>(object: *mut u8, slot_size: usize) {
    // SAFETY: the caller gives the start and the size of the slot of a slice (I13), which is dropped.
    let len = unsafe { slice_len(object, slot_size) };
    // SAFETY: the last word of the slot is the length, written before anybody knew of the slice (I13), and aligned as slots end.
    let len = unsafe { len.read() };
    // SAFETY: `len` elements, aligned as `T` asks (I13), which may be dropped here and have not been, by the caller's contract.
    unsafe { core::ptr::slice_from_raw_parts_mut(object.cast::<T>(), len).drop_in_place() }
}
