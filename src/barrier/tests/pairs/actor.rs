//! The thread that runs a program, word by word.

use core::cell::Cell;
use core::mem;

use super::scene::{Boxed, Holder, Inner, Leaf, Nested, Own, OwnRoot, Shared, SharedRoot, Value};
use super::words::{Cup, Kind, Last, Move, Place, Store, Way};
use crate::{Gc, GcCell, GcMutex, GcOnceCell, GcSlot, Heap, Mutation};

/// The thread that runs the program, and what it has at hand.
pub(super) struct Actor<'a, 'gc> {
    heap: &'a Heap,
    mc: &'a Mutation<'gc>,
    own: &'a Own<'gc>,
    shared: &'a Shared<'gc>,
    /// Whether guards that enclose something are leaked.
    leaks: bool,
    leaf: Cell<Option<Leaf<'gc>>>,
    value: Cell<Option<Value<'gc>>>,
    inner: Cell<Option<Inner<'gc>>>,
}

impl<'a, 'gc> Actor<'a, 'gc> {
    pub(super) fn new(
        heap: &'a Heap,
        mc: &'a Mutation<'gc>,
        own: &OwnRoot,
        shared: &SharedRoot,
        leaks: bool,
    ) -> Self {
        Actor {
            heap,
            mc,
            own: Gc::as_ref(own.get(mc)),
            shared: Gc::as_ref(shared.get(mc)),
            leaks,
            leaf: Cell::new(None),
            value: Cell::new(None),
            inner: Cell::new(None),
        }
    }

    /// The leaf in the shared slot is at hand.
    pub(super) fn read(&self) {
        self.leaf.set(self.shared.slots[0].get());
    }

    /// What is left at hand goes where it can be found again.
    pub(super) fn come_home(&self) {
        if let Some(inner) = self.inner.take() {
            let mut value = self.value.take().unwrap_or_else(Value::new);
            *value.outer.get_mut() = Some(inner);
            self.value.set(Some(value));
        }
        if let Some(value) = self.value.take() {
            self.own.shelf.borrow_mut(self.mc).push(value);
        }
    }

    /// A guard ends, or leaks.
    fn end<G>(&self, guard: G) {
        if self.leaks {
            mem::forget(guard);
        }
    }

    fn at(&self, place: Place, f: &mut dyn FnMut(&Value<'gc>)) {
        match place {
            Place::Hand => {
                if let Some(value) = self.value.take() {
                    f(&value);
                    self.value.set(Some(value));
                }
            }
            Place::Cell => {
                if let Some(Some(value)) = self.own.cell.try_borrow().as_deref() {
                    f(value);
                }
            }
            Place::Boxed => {
                if let Some(Some(value)) = self.own.boxed.get().0.try_lock(self.mc).as_deref() {
                    f(value);
                }
            }
            Place::Shelf => self.own.shelf.borrow().iter().take(1).for_each(f),
            Place::Holder => f(&self.own.holder.get().0),
            Place::Slice => f(&self.own.slice.get()[0]),
        }
    }

    fn cup(&self, cup: Cup, f: &mut dyn FnMut(&mut Option<Value<'gc>>)) {
        let mc = self.mc;
        match cup {
            Cup::Hand => {
                let mut value = self.value.take();
                f(&mut value);
                self.value.set(value);
            }
            Cup::Cell => {
                if let Some(mut guard) = self.own.cell.try_borrow_mut(mc) {
                    f(&mut guard);
                    self.end(guard);
                }
            }
            Cup::Boxed => {
                if let Some(mut guard) = self.own.boxed.get().0.try_lock(mc) {
                    f(&mut guard);
                    self.end(guard);
                }
            }
            Cup::Shared(index) => {
                if let Some(mut guard) = self.shared.cells[index].try_lock(mc) {
                    f(&mut guard);
                }
            }
        }
    }

    pub(super) fn store(&self, store: Store) {
        match store {
            Store::Into(place, way) => self.at(place, &mut |value| self.put(value, way)),
            Store::Past(cup, way) => self.cup(cup, &mut |value| {
                if let Some(value) = value {
                    self.put_past(value, way);
                }
            }),
            Store::Own => self.own.leaf.set(self.mc, self.leaf.get()),
            Store::Shared => self.shared.slots[1].set(self.mc, self.leaf.get()),
        }
    }

    fn put(&self, value: &Value<'gc>, way: Way) {
        let (mc, leaf) = (self.mc, self.leaf.get());
        match way {
            Way::Inner => {
                if let Some(Some(inner)) = value.outer.try_borrow().as_deref()
                    && let Some(mut guard) = inner.try_borrow_mut(mc)
                {
                    guard.leaf = leaf;
                }
            }
            Way::InnerSlot => {
                if let Some(Some(inner)) = value.outer.try_borrow().as_deref()
                    && let Some(nested) = inner.try_borrow()
                {
                    nested.slot.set(mc, leaf);
                }
            }
            Way::Past | Way::NewInner => {
                if let Some(mut guard) = value.outer.try_borrow_mut(mc) {
                    let inner = guard.get_or_insert_with(|| Nested::cell(None));
                    match way {
                        Way::Past => inner.get_mut().leaf = leaf,
                        _ => *inner = Nested::cell(leaf),
                    }
                }
            }
            Way::Mutex => {
                if let Some(mut guard) = value.mutex.try_lock(mc) {
                    *guard = leaf;
                }
            }
            Way::Slot => value.slot.set(mc, leaf),
            Way::Cell => value.cell.set(mc, leaf),
            Way::Once => {
                if let Some(leaf) = leaf {
                    let _ = value.once.set(mc, leaf);
                }
            }
            Way::Lock => {
                if let Some(Some(mutex)) = value.lock.try_read().as_deref()
                    && let Some(mut guard) = mutex.try_lock(mc)
                {
                    *guard = leaf;
                }
            }
            Way::PastLock | Way::NewLock => {
                if let Some(mut guard) = value.lock.try_write(mc) {
                    let mutex = guard.get_or_insert_with(|| GcMutex::new(None));
                    match way {
                        Way::PastLock => *mutex.get_mut() = leaf,
                        _ => *mutex = GcMutex::new(leaf),
                    }
                }
            }
        }
    }

    /// As [`put`](Self::put), through a `&mut`.
    fn put_past(&self, value: &mut Value<'gc>, way: Way) {
        let leaf = self.leaf.get();
        match way {
            Way::Inner | Way::Past => {
                let inner = value.outer.get_mut();
                let inner = inner.get_or_insert_with(|| Nested::cell(None));
                inner.get_mut().leaf = leaf;
            }
            Way::NewInner => *value.outer.get_mut() = Some(Nested::cell(leaf)),
            Way::Mutex => *value.mutex.get_mut() = leaf,
            Way::Lock | Way::PastLock => {
                let mutex = value.lock.get_mut();
                *mutex.get_or_insert_with(|| GcMutex::new(None)).get_mut() = leaf;
            }
            Way::NewLock => *value.lock.get_mut() = Some(GcMutex::new(leaf)),
            Way::Slot => value.slot = GcSlot::new(leaf),
            Way::Cell => value.cell = GcCell::new(leaf),
            Way::Once => {
                value.once = GcOnceCell::new();
                self.put(value, way);
            }
            Way::InnerSlot => self.put(value, way),
        }
    }

    /// Does it, with `rest` inside if it encloses anything, else before.
    pub(super) fn act(&self, act: Move, rest: &mut dyn FnMut()) {
        match act {
            Move::Outer(last) => return self.at(Place::Hand, &mut |v| self.outer(v, last, rest)),
            Move::Inner => return self.at(Place::Hand, &mut |v| self.inner(v, rest)),
            Move::Lock(last) => return self.at(Place::Hand, &mut |v| self.lock(v, last, rest)),
            Move::Around(last) => return self.around(last, rest),
            Move::Build(kind) => return self.build(kind, rest),
            Move::Mate => return self.heap.attach().enter(|_| rest()),
            _ => {}
        }
        self.simple(act);
        rest();
    }

    fn simple(&self, act: Move) {
        let (mc, own) = (self.mc, self.own);
        match act {
            Move::Poll => mc.state().poll(),
            Move::Empty(place) => self.at(place, &mut |value| {
                if let Some(mut guard) = value.outer.try_borrow_mut(mc) {
                    *guard = Some(Nested::cell(None));
                }
            }),
            Move::Exchange(place) => self.at(place, &mut |value| {
                if let Some(mut guard) = value.outer.try_borrow_mut(mc) {
                    self.inner.set(mem::replace(&mut guard, self.inner.take()));
                }
            }),
            Move::ExchangePast => self.cup(Cup::Hand, &mut |value| {
                if let Some(value) = value {
                    let inner = mem::replace(value.outer.get_mut(), self.inner.take());
                    self.inner.set(inner);
                }
            }),
            Move::Fill => {
                let inner = self.inner.take().unwrap_or_else(|| Nested::cell(None));
                inner.borrow_mut(mc).leaf = self.leaf.get();
                self.inner.set(Some(inner));
            }
            Move::Touch => self.at(Place::Hand, &mut |value| drop(value.lock.try_write(mc))),
            Move::Swap(cup) => {
                let mut mine = self.value.take();
                self.cup(cup, &mut |value| mem::swap(value, &mut mine));
                self.value.set(mine);
            }
            Move::Shelve => {
                let mut shelf = own.shelf.borrow_mut(mc);
                match self.value.take() {
                    Some(value) => shelf.push(value),
                    None => self.value.set(shelf.pop()),
                }
            }
            Move::Make(Kind::Holder) => own.holder.set(mc, Gc::new(mc, Holder(self.taken()))),
            Move::Make(Kind::Slice) => {
                let slice = Gc::slice_from_fn(mc, 2, |_| self.taken());
                own.slice.set(mc, slice);
            }
            Move::Make(Kind::Boxed) => {
                let boxed = Boxed(GcMutex::new(Some(self.taken())));
                own.boxed.set(mc, Gc::new(mc, boxed));
            }
            _ => {}
        }
    }

    fn taken(&self) -> Value<'gc> {
        self.value.take().unwrap_or_else(Value::new)
    }

    fn outer(&self, value: &Value<'gc>, last: Last, rest: &mut dyn FnMut()) {
        let Some(mut guard) = value.outer.try_borrow_mut(self.mc) else {
            return;
        };
        rest();
        let leaf = self.leaf.get();
        match last {
            Last::Past => {
                if let Some(inner) = &mut *guard {
                    inner.get_mut().leaf = leaf;
                }
            }
            Last::Inside => {
                if let Some(mut inner) = guard.as_ref().and_then(|i| i.try_borrow_mut(self.mc)) {
                    inner.leaf = leaf;
                }
            }
            Last::New => *guard = Some(Nested::cell(leaf)),
            Last::Swapped => self.inner.set(mem::replace(&mut guard, self.inner.take())),
        }
        self.end(guard);
    }

    fn inner(&self, value: &Value<'gc>, rest: &mut dyn FnMut()) {
        if let Some(Some(inner)) = value.outer.try_borrow().as_deref()
            && let Some(mut guard) = inner.try_borrow_mut(self.mc)
        {
            rest();
            guard.leaf = self.leaf.get();
            self.end(guard);
        }
    }

    fn lock(&self, value: &Value<'gc>, last: Last, rest: &mut dyn FnMut()) {
        let Some(mut guard) = value.lock.try_write(self.mc) else {
            return;
        };
        rest();
        let leaf = self.leaf.get();
        match (last, &mut *guard) {
            (Last::Past, Some(mutex)) => *mutex.get_mut() = leaf,
            _ => *guard = Some(GcMutex::new(leaf)),
        }
        self.end(guard);
    }

    fn around(&self, last: Last, rest: &mut dyn FnMut()) {
        self.cup(Cup::Cell, &mut |value| {
            rest();
            match (last, &mut *value) {
                (Last::Past, Some(value)) => self.put_past(value, Way::Mutex),
                (Last::Inside, Some(value)) => self.put(value, Way::Inner),
                (Last::New, Some(value)) => self.put_past(value, Way::NewInner),
                _ => self.value.set(mem::replace(value, self.value.take())),
            }
        });
    }

    /// Builds an object in its slot, with what is at hand after `rest`. It is shaded, as by a root: or no marker would come to it behind the claim.
    pub(super) fn build(&self, kind: Kind, rest: &mut dyn FnMut()) {
        let (mc, own) = (self.mc, self.own);
        match kind {
            Kind::Holder => {
                let holder = Gc::new_cyclic(mc, |_| {
                    rest();
                    Holder(self.taken())
                });
                mc.shade_if_on(holder);
                own.holder.set(mc, holder);
            }
            Kind::Slice => {
                let slice = Gc::slice_from_fn(mc, 2, |index| {
                    if index == 0 {
                        rest();
                    }
                    self.taken()
                });
                mc.shade_if_on(slice);
                own.slice.set(mc, slice);
            }
            Kind::Boxed => {
                let boxed = Gc::new_cyclic(mc, |_| {
                    rest();
                    Boxed(GcMutex::new(Some(self.taken())))
                });
                mc.shade_if_on(boxed);
                own.boxed.set(mc, boxed);
            }
            Kind::Leaves => {
                let leaves = Gc::slice_from_fn(mc, 2, |index| {
                    if index == 0 {
                        rest();
                    }
                    let mutex = GcMutex::new(None);
                    *mutex.lock(mc) = self.leaf.get();
                    mutex
                });
                mc.shade_if_on(leaves);
                own.leaves.set(mc, Some(leaves));
            }
        }
    }
}
