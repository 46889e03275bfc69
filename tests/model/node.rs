//! An object of the heap and its counterpart in the reference.

use super::common::{Drops, Token};
use super::fuse::{Fuses, InDestructor, InTrace};
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
    in_trace: InTrace,
    in_destructor: InDestructor,
    pub(super) token: Token,
}

/// What the objects of a program are made with.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) drops: Drops,
    pub(super) fuses: Fuses,
}

impl Parts {
    pub(super) fn new() -> Self {
        Parts {
            drops: Drops::new(),
            fuses: Fuses::default(),
        }
    }
}

pub(super) type Pointer<'gc> = Gc<'gc, Node<'gc>>;
pub(super) type Array<'gc> = Gc<'gc, [GcSlot<Option<Pointer<'gc>>>]>;
pub(super) type NodeRoot = Root<Rootable![Node<'_>]>;

impl<'gc> Node<'gc> {
    pub(super) fn new(mc: &Mutation<'gc>, stamp: usize, parts: &Parts) -> Pointer<'gc> {
        let (in_trace, in_destructor) = parts.fuses.of_object();
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
                in_trace,
                in_destructor,
                token: parts.drops.token(),
            },
        )
    }

    pub(super) fn garbage(mc: &Mutation<'gc>, count: usize, parts: &Parts) {
        for _ in 0..count {
            Node::new(mc, usize::MAX, parts);
        }
    }

    /// Compares an object with its counterpart; what it points to goes to `next`.
    pub(super) fn compare(
        &self,
        mc: &Mutation<'gc>,
        expected: &Plain,
        next: &mut Vec<Pointer<'gc>>,
    ) {
        let stamps = |list: &[Pointer<'gc>]| list.iter().map(|o| o.stamp).collect::<Vec<_>>();
        let _ = &self.token;
        for place in 0..PLACES {
            let found = self.get(mc, place);
            assert_eq!(found.map(|o| o.stamp), expected.places[place]);
            next.extend(found);
        }
        match self.list.try_borrow() {
            Some(list) => {
                assert_eq!(stamps(&list), expected.list);
                next.extend(list.iter());
            }
            None => assert!(expected.leaked, "nobody has leaked this guard"),
        }
        let nested = self.nested.lock(mc);
        assert_eq!(nested.len(), expected.nested.len());
        for (list, expected) in nested.iter().zip(&expected.nested) {
            let list = list.borrow();
            assert_eq!(stamps(&list), *expected);
            next.extend(list.iter());
        }
        let array = self.array.get();
        let stamps = array.map(|array| {
            array
                .iter()
                .map(|slot| slot.get().map(|o| o.stamp))
                .collect()
        });
        assert_eq!(stamps, expected.array);
        next.extend(
            array
                .iter()
                .flat_map(|array| array.iter())
                .filter_map(GcSlot::get),
        );
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
