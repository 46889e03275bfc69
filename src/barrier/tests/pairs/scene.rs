//! What two threads change, and which of the leaves in it are dead.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcSlot, Mutation, Root, Rootable, Trace,
};

/// The addresses of dead leaves: a leaf that was freed too early is found without a look at it.
#[derive(Clone, Default)]
pub(super) struct Graves(Arc<Mutex<HashSet<usize>>>);

impl Graves {
    fn with<R>(&self, f: impl FnOnce(&mut HashSet<usize>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new leaf.
    pub(super) fn leaf<'gc>(&self, mc: &Mutation<'gc>) -> Leaf<'gc> {
        let leaf = Gc::new(mc, Canary(self.clone(), [0; 3]));
        self.with(|dead| dead.remove(&leaf.address()));
        leaf
    }

    pub(super) fn has(&self, leaf: Leaf<'_>) -> bool {
        self.with(|dead| dead.contains(&leaf.address()))
    }
}

/// So large that its slot is not another's, too.
#[derive(Trace)]
#[trace(crate = crate, skip)]
pub(super) struct Canary(Graves, #[expect(dead_code)] [u64; 3]);

impl Drop for Canary {
    fn drop(&mut self) {
        let address = core::ptr::from_ref(self).addr();
        self.0.with(|dead| dead.insert(address));
    }
}

/// What is stored.
pub(super) type Leaf<'gc> = Gc<'gc, Canary>;
/// What is in a cell of one thread in one of the same kind.
#[derive(Trace)]
#[trace(crate = crate)]
pub(super) struct Nested<'gc> {
    pub(super) leaf: Option<Leaf<'gc>>,
    pub(super) slot: GcSlot<Option<Leaf<'gc>>>,
}

impl<'gc> Nested<'gc> {
    pub(super) fn cell(leaf: Option<Leaf<'gc>>) -> Inner<'gc> {
        let slot = GcSlot::new(None);
        GcRefCell::new(Nested { leaf, slot })
    }
}

pub(super) type Inner<'gc> = GcRefCell<Nested<'gc>>;

/// A value that moves, with a cell of each kind, and cells in cells.
#[derive(Trace)]
#[trace(crate = crate)]
pub(super) struct Value<'gc> {
    pub(super) outer: GcRefCell<Option<Inner<'gc>>>,
    pub(super) mutex: GcMutex<Option<Leaf<'gc>>>,
    pub(super) slot: GcSlot<Option<Leaf<'gc>>>,
    pub(super) cell: GcCell<Option<Leaf<'gc>>>,
    pub(super) once: GcOnceCell<Leaf<'gc>>,
    pub(super) lock: GcRwLock<Option<GcMutex<Option<Leaf<'gc>>>>>,
}

impl<'gc> Value<'gc> {
    pub(super) fn new() -> Self {
        Value {
            outer: GcRefCell::new(Some(Nested::cell(None))),
            mutex: GcMutex::new(None),
            slot: GcSlot::new(None),
            cell: GcCell::new(None),
            once: GcOnceCell::new(),
            lock: GcRwLock::new(Some(GcMutex::new(None))),
        }
    }

    /// The leaves in it, but for those in cells whose guard was leaked.
    fn leaves(&self, mc: &Mutation<'gc>, all: &mut Vec<Leaf<'gc>>) {
        if let Some(outer) = self.outer.try_borrow()
            && let Some(inner) = &*outer
            && let Some(nested) = inner.try_borrow()
        {
            all.extend(nested.leaf);
            all.extend(nested.slot.get());
        }
        if let Some(leaf) = self.mutex.try_lock(mc) {
            all.extend(*leaf);
        }
        all.extend(self.slot.get());
        all.extend(self.cell.get());
        all.extend(self.once.get());
        if let Some(lock) = self.lock.try_read()
            && let Some(mutex) = &*lock
            && let Some(leaf) = mutex.try_lock(mc)
        {
            all.extend(*leaf);
        }
    }
}

/// What both threads have.
#[derive(Trace)]
#[trace(crate = crate)]
pub(super) struct Shared<'gc> {
    pub(super) slots: [GcSlot<Option<Leaf<'gc>>>; 2],
    pub(super) cells: [GcMutex<Option<Value<'gc>>>; 2],
}

#[derive(Trace)]
#[trace(crate = crate)]
pub(super) struct Holder<'gc>(pub(super) Value<'gc>);

#[derive(Trace)]
#[trace(crate = crate)]
pub(super) struct Boxed<'gc>(pub(super) GcMutex<Option<Value<'gc>>>);

/// What the thread has that runs the programs.
#[derive(Trace)]
#[trace(crate = crate)]
pub(super) struct Own<'gc> {
    pub(super) leaf: GcCell<Option<Leaf<'gc>>>,
    pub(super) cell: GcRefCell<Option<Value<'gc>>>,
    pub(super) shelf: GcRefCell<Vec<Value<'gc>>>,
    pub(super) holder: GcCell<Gc<'gc, Holder<'gc>>>,
    pub(super) slice: GcCell<Gc<'gc, [Value<'gc>]>>,
    pub(super) boxed: GcCell<Gc<'gc, Boxed<'gc>>>,
    pub(super) leaves: GcCell<Option<Gc<'gc, [GcMutex<Option<Leaf<'gc>>>]>>>,
}

impl<'gc> Own<'gc> {
    fn new(mc: &Mutation<'gc>) -> Self {
        Own {
            leaf: GcCell::new(None),
            cell: GcRefCell::new(Some(Value::new())),
            shelf: GcRefCell::new(vec![Value::new()]),
            holder: GcCell::new(Gc::new(mc, Holder(Value::new()))),
            slice: GcCell::new(Gc::slice_from_fn(mc, 2, |_| Value::new())),
            boxed: GcCell::new(Gc::new(mc, Boxed(GcMutex::new(Some(Value::new()))))),
            leaves: GcCell::new(None),
        }
    }
}

pub(super) type SharedRoot = Root<Rootable![Shared<'_>]>;
pub(super) type OwnRoot = Root<Rootable![Own<'_>]>;

pub(super) fn shared(mc: &Mutation<'_>) -> SharedRoot {
    let shared = Shared {
        slots: [GcSlot::new(None), GcSlot::new(None)],
        cells: [(); 2].map(|()| GcMutex::new(Some(Value::new()))),
    };
    Root::new(mc, Gc::new(mc, shared))
}

pub(super) fn own(mc: &Mutation<'_>) -> OwnRoot {
    Root::new(mc, Gc::new(mc, Own::new(mc)))
}

/// What both have is as in the beginning, with a new leaf in the first slot.
pub(super) fn reset<'gc>(mc: &Mutation<'gc>, shared: &Shared<'gc>, graves: &Graves) {
    shared.slots[0].set(mc, Some(graves.leaf(mc)));
    shared.slots[1].set(mc, None);
    for cell in &shared.cells {
        *cell.lock(mc) = Some(Value::new());
    }
}

/// All leaves that can be reached.
pub(super) fn leaves<'gc>(
    mc: &Mutation<'gc>,
    shared: &Shared<'gc>,
    own: &Own<'gc>,
) -> Vec<Leaf<'gc>> {
    let all = &mut Vec::new();
    all.extend(shared.slots.iter().filter_map(GcSlot::get));
    all.extend(own.leaf.get());
    for cell in &shared.cells {
        if let Some(Some(value)) = cell.try_lock(mc).as_deref() {
            value.leaves(mc, all);
        }
    }
    if let Some(Some(value)) = own.cell.try_borrow().as_deref() {
        value.leaves(mc, all);
    }
    if let Some(Some(value)) = own.boxed.get().0.try_lock(mc).as_deref() {
        value.leaves(mc, all);
    }
    let shelf = own.shelf.borrow();
    let others = Gc::as_ref(own.slice.get()).iter().chain(&*shelf);
    others
        .chain([&Gc::as_ref(own.holder.get()).0])
        .for_each(|value| value.leaves(mc, all));
    for mutex in own.leaves.get().iter().flat_map(|leaves| leaves.iter()) {
        all.extend(mutex.try_lock(mc).and_then(|leaf| *leaf));
    }
    core::mem::take(all)
}
