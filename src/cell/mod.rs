//! Cells: the places in objects that can change.
//!
//! An object in the heap is shared: `Gc` gives `&T`. What is to change lies in a cell, and the cell holds the write
//! barrier, wherever it is: in the object itself, in a `Vec` or `Box` that the object owns, or on the stack before it moves
//! in. Writers pass a `&Mutation`.
//!
//! | cell | holds | `Sync` |
//! |---|---|---|
//! | [`GcSlot`](slot::GcSlot) | one pointer-sized traced word | yes |
//! | [`GcCell`](plain::GcCell) | a `Copy` value | no |
//! | [`GcOnceCell`](once::GcOnceCell) | a value set once | no |
//! | [`GcRefCell`](ref_cell::GcRefCell) | anything | no |
//! | [`GcMutex`](mutex::GcMutex), [`GcRwLock`](rw_lock::GcRwLock) | anything | yes |
//!
//! How a marker and a mutator stay apart at a cell: [`claim`].

pub(crate) mod claim;
pub(crate) mod guarded;
pub(crate) mod mutex;
pub(crate) mod once;
pub(crate) mod plain;
pub(crate) mod ref_cell;
pub(crate) mod rw_lock;
pub(crate) mod slot;

/// Cells may go where their contents may.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<plain::GcCell<u8>>();
    is_send::<once::GcOnceCell<u8>>();
    is_send::<ref_cell::GcRefCell<u8>>();
    is_send::<mutex::GcMutex<u8>>();
    is_send::<rw_lock::GcRwLock<u8>>();
};
