//! An object of the heap and its counterpart in the reference.

use super::common::{Drops, Token};
use super::op::PLACES;
use tricolor_gc::{Gc, GcCell, GcMutex, GcRefCell, GcRwLock, GcSlot, GcWeak, Mutation, Root};
use tricolor_gc::{Rootable, Trace};

/// An object: one place of each kind, containers in place, behind a `Box` and in containers.
#[derive(Trace)]
pub(super) struct Node<'gc> {
    pub(super) stamp: usize,
    slot: GcSlot<Option<Pointer<'gc>>>,
    cell: GcCell<Option<Pointer<'gc>>>,
    mutex: GcMutex<Option<Pointer<'gc>>>,
    rw_lock: Box<GcRwLock<Option<Pointer<'gc>>>>,
    pub(super) list: GcRefCell<Vec<Pointer<'gc>>>,
    pub(super) nested: GcMutex<Vec<GcRefCell<Vec<Pointer<'gc>>>>>,
    pub(super) array: GcCell<Option<Array<'gc>>>,
    pub(super) weak: GcCell<Option<GcWeak<'gc, Node<'gc>>>>,
    pub(super) token: Token,
}

pub(super) type Pointer<'gc> = Gc<'gc, Node<'gc>>;
pub(super) type Array<'gc> = Gc<'gc, [GcSlot<Option<Pointer<'gc>>>]>;
pub(super) type NodeRoot = Root<Rootable![Node<'_>]>;

impl<'gc> Node<'gc> {
    pub(super) fn new(mc: &Mutation<'gc>, stamp: usize, drops: &Drops) -> Pointer<'gc> {
        Gc::new(
            mc,
            Node {
                stamp,
                slot: GcSlot::new(None),
                cell: GcCell::new(None),
                mutex: GcMutex::new(None),
                rw_lock: Box::default(),
                list: GcRefCell::new(Vec::new()),
                nested: GcMutex::new(Vec::new()),
                array: GcCell::new(None),
                weak: GcCell::new(None),
                token: drops.token(),
            },
        )
    }

    pub(super) fn get(&self, mc: &Mutation<'gc>, place: usize) -> Option<Pointer<'gc>> {
        match place {
            0 => self.slot.get(),
            1 => self.cell.get(),
            2 => *self.mutex.lock(mc),
            _ => *self.rw_lock.read(),
        }
    }

    pub(super) fn set(&self, mc: &Mutation<'gc>, place: usize, to: Option<Pointer<'gc>>) {
        match place {
            0 => self.slot.set(mc, to),
            1 => self.cell.set(mc, to),
            2 => *self.mutex.lock(mc) = to,
            _ => *self.rw_lock.write(mc) = to,
        }
    }

    pub(super) fn replace(
        &self,
        mc: &Mutation<'gc>,
        place: usize,
        to: Option<Pointer<'gc>>,
    ) -> Option<Pointer<'gc>> {
        match place {
            0 => self.slot.swap(mc, to),
            1 => {
                let old = self.cell.get();
                self.cell.set(mc, to);
                old
            }
            2 => std::mem::replace(&mut *self.mutex.lock(mc), to),
            _ => std::mem::replace(&mut *self.rw_lock.write(mc), to),
        }
    }
}

/// An object for all threads.
#[derive(Trace)]
pub(super) struct Buoy<'gc> {
    pub(super) stamp: usize,
    pub(super) behind: Option<Gc<'gc, Buoy<'gc>>>,
    pub(super) token: Token,
}

pub(super) type BuoyRoot = Root<Rootable![Buoy<'_>]>;

/// The reference: indices instead of pointers, nothing is ever freed.
#[derive(Clone, Debug, Default)]
pub(super) struct Plain {
    pub(super) places: [Option<usize>; PLACES],
    pub(super) list: Vec<usize>,
    pub(super) nested: Vec<Vec<usize>>,
    pub(super) array: Option<Vec<Option<usize>>>,
    pub(super) weak: Option<usize>,
    /// A guard of its list has been leaked.
    pub(super) leaked: bool,
}

impl Plain {
    /// What it keeps alive.
    pub(super) fn targets(&self) -> impl Iterator<Item = usize> {
        let array = self.array.iter().flatten().flatten();
        let lists = self.list.iter().chain(self.nested.iter().flatten());
        self.places
            .iter()
            .flatten()
            .chain(lists)
            .chain(array)
            .copied()
    }
}
