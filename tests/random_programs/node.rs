//! What the programs build: objects with every kind of place, and random ways to load from them and to store into them.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use tricolor_gc::{
    Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcSlot, GcWeak, Mutation, Root, Rootable,
    Trace, Tracer,
};

use crate::common::Random;
use crate::nest::{self, Nest, Own};
use crate::{EXPECTED, Kind};

/// A pointer to a node.
pub(crate) type To<'gc> = Gc<'gc, Node<'gc>>;
/// A root of a node.
pub(crate) type NodeRoot = Root<Rootable![Node<'_>]>;

/// How many canaries have been made, and how many dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<[AtomicUsize; 2]>);

impl Ledger {
    /// Canaries that have been made and not been dropped; negative if some have been dropped twice.
    pub(crate) fn balance(&self) -> isize {
        let [made, dropped] = &*self.0;
        let dropped = dropped.load(Ordering::SeqCst);
        made.load(Ordering::SeqCst).wrapping_sub(dropped) as isize
    }
}

/// Memory that is gone when the object is: a sanitizer sees it read too late, and so does the check.
#[derive(Trace)]
#[trace(skip)]
pub(crate) struct Canary {
    alive: Box<u64>,
    ledger: Ledger,
}

const ALIVE: u64 = 0x600d_beef_600d_beef;

impl Canary {
    fn new(ledger: &Ledger) -> Self {
        ledger.0[0].fetch_add(1, Ordering::SeqCst);
        Canary {
            alive: Box::new(ALIVE),
            ledger: ledger.clone(),
        }
    }

    pub(crate) fn check(&self) {
        assert_eq!(*self.alive, ALIVE, "an object has been freed");
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.check();
        *self.alive = 0;
        self.ledger.0[1].fetch_add(1, Ordering::SeqCst);
    }
}

/// A value whose destructor must run on the thread that made it.
#[derive(Trace)]
#[trace(skip)]
pub(crate) struct Local {
    home: ThreadId,
    _not_send: Rc<()>,
}

impl Local {
    fn new() -> Self {
        Local {
            home: thread::current().id(),
            _not_send: Rc::default(),
        }
    }
}

/// Values that have been dropped on another thread. Counted: a panic of a destructor goes no further.
pub(crate) static DROPPED_ELSEWHERE: AtomicUsize = AtomicUsize::new(0);

impl Drop for Local {
    fn drop(&mut self) {
        if self.home != thread::current().id() {
            DROPPED_ELSEWHERE.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Panics at every so many visits, in heaps where traces may.
pub(crate) struct Bomb {
    armed: bool,
}

// SAFETY: it has no pointer, and nothing that a thread must drop itself.
unsafe impl<'gc> Trace<'gc> for Bomb {
    const DROP_IS_SEND: bool = true;
    const CELLS_INLINE: bool = true;

    fn trace(&self, _: &mut Tracer<'gc>) {
        static VISITS: AtomicUsize = AtomicUsize::new(0);
        const FUSE: usize = 3001;
        if self.armed && VISITS.fetch_add(1, Ordering::Relaxed) % FUSE == FUSE - 1 {
            panic!("{EXPECTED}, in trace");
        }
    }
}

/// All cells, to be held inside another.
#[derive(Trace)]
pub(crate) struct Inner<'gc> {
    mutex: GcMutex<Option<To<'gc>>>,
    cell: GcCell<Option<To<'gc>>>,
    list: GcRefCell<Vec<To<'gc>>>,
    once: GcOnceCell<To<'gc>>,
    slot: GcSlot<Option<To<'gc>>>,
    bomb: Bomb,
}

impl<'gc> Inner<'gc> {
    fn new(to: Option<To<'gc>>, armed: bool) -> Self {
        Inner {
            mutex: GcMutex::new(to),
            cell: GcCell::new(to),
            list: GcRefCell::new(to.into_iter().collect()),
            once: GcOnceCell::new(),
            slot: GcSlot::new(to),
            bomb: Bomb { armed },
        }
    }
}

/// An object with every kind of place.
#[derive(Trace)]
pub(crate) struct Node<'gc> {
    pub(crate) canary: Canary,
    pub(crate) slots: [GcSlot<Option<To<'gc>>>; 3],
    pub(crate) inners: GcMutex<Few<Inner<'gc>>>,
    locks: GcRwLock<Few<GcMutex<Option<To<'gc>>>>>,
    weak: GcMutex<Option<GcWeak<'gc, Node<'gc>>>>,
    array: GcMutex<Option<Gc<'gc, [GcMutex<Option<To<'gc>>>]>>>,
    pub(crate) nest: GcMutex<Option<Nest<'gc>>>,
    row: GcSlot<Option<Gc<'gc, Row<'gc>>>>,
}

const _: () = assert!(<Node as Trace>::CELLS_INLINE && !<Node as Trace>::IMMUTABLE);

// Minor cycles look at nodes that have been written, and at all rows.
const _: () = assert!(Node::CELLS_INLINE && !Row::CELLS_INLINE && !Node::IMMUTABLE);

/// Up to four values, in the object itself.
#[derive(Trace)]
pub(crate) struct Few<T>([Option<T>; 4]);

impl<T> Few<T> {
    pub(crate) fn one(value: T) -> Self {
        Few([Some(value), None, None, None])
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.0.get_mut(index)?.as_mut()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = [None, None, None, None];
    }

    /// There must be room.
    pub(crate) fn push(&mut self, value: T) {
        let end = self.len();
        self.0[end] = Some(value);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        self.0[last].take()
    }

    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        let value = self.0[index].take();
        self.0[index..].rotate_left(1);
        value
    }
}

/// An object with places in memory that it owns.
#[derive(Trace)]
pub(crate) struct Row<'gc>(Vec<GcSlot<Option<To<'gc>>>>);

/// What a program has in hand wherever it loads and stores.
pub(crate) struct Hand<'a, 'gc> {
    pub(crate) mc: &'a Mutation<'gc>,
    pub(crate) random: &'a mut Random,
    pub(crate) kind: &'a Kind,
    pub(crate) ledger: &'a Ledger,
    pub(crate) own: Gc<'gc, Own<'gc>>,
}

impl<'gc> Hand<'_, 'gc> {
    /// A new node, now and then one that knows itself, with garbage made while it is built.
    pub(crate) fn node(&mut self, to: Option<To<'gc>>) -> To<'gc> {
        let node = |hand: &mut Self, me| Node {
            canary: Canary::new(hand.ledger),
            slots: [GcSlot::new(to), GcSlot::new(None), GcSlot::new(None)],
            inners: GcMutex::new(Few::one(Inner::new(to, hand.kind.bombs))),
            locks: GcRwLock::new(Few::one(GcMutex::new(to))),
            weak: GcMutex::new(me),
            array: GcMutex::new(None),
            nest: GcMutex::new(Some(nest::of(to))),
            row: GcSlot::new(None),
        };
        let mc = self.mc;
        if self.random.below(8) != 0 {
            return Gc::new(mc, node(self, None));
        }
        Gc::new_cyclic(mc, |me| {
            self.garbage();
            let node = node(self, Some(me));
            // Cells are written, and move into the object afterwards.
            let found = to.and_then(|to| self.load(to));
            if let Some(inner) = node.inners.lock(mc).get(0) {
                *inner.mutex.lock(mc) = found;
            }
            node
        })
    }

    /// Objects that nothing will refer to.
    pub(crate) fn garbage(&mut self) {
        let mc = self.mc;
        for _ in 0..self.random.below(12) {
            match self.random.below(if self.kind.full { 7 } else { 5 }) {
                0 => drop(Gc::new(mc, Inner::new(None, false))),
                1 => drop(Gc::new_str(mc, "garbage")),
                2 => drop(Gc::slice_from_fn(mc, 5, |_| GcSlot::new(None::<To<'gc>>))),
                3 => drop(Gc::new(mc, Local::new())),
                4 => drop(Gc::downgrade(Gc::new(mc, 3_u64), mc)),
                5 => {
                    let length = self.random.below(3000);
                    let _ = Gc::<[_]>::try_slice_from_fn(mc, length, |at| {
                        if at == 50 {
                            Gc::new(mc, 7_u32);
                        }
                        (GcCell::new(None::<To<'gc>>), Local::new())
                    });
                }
                _ => {
                    let length = self.random.below(200_000);
                    let _ = Gc::<[u8]>::try_slice_from_fn(mc, length, |_| 1);
                }
            }
        }
    }

    /// A pointer out of a node, by a random way.
    pub(crate) fn load(&mut self, from: To<'gc>) -> Option<To<'gc>> {
        from.canary.check();
        let (mc, at) = (self.mc, self.random.below(4));
        let to = match self.random.below(10) {
            0 | 1 => from.slots[at % 3].get(),
            2 => from.inners.try_lock(mc).and_then(|inners| {
                let inner = inners.get(at)?;
                match self.random.below(5) {
                    0 => inner.cell.get(),
                    1 => inner.list.try_borrow()?.first().copied(),
                    2 => inner.once.get().copied(),
                    3 => inner.slot.get(),
                    _ => *inner.mutex.try_lock(mc)?,
                }
            }),
            3 => from
                .locks
                .try_read()
                .and_then(|locks| *locks.get(at)?.try_lock(mc)?),
            4 => from
                .weak
                .try_lock(mc)
                .and_then(|weak| weak.as_ref()?.upgrade(mc)),
            5 => from.array.try_lock(mc).and_then(|array| {
                let array = (*array)?;
                *array[self.random.below(array.len())].try_lock(mc)?
            }),
            6 => from.slots[at % 3].swap(mc, None),
            7 => from.row.get().and_then(|row| row.0[at].get()),
            8 => self.own.look(at),
            _ => Some(from),
        };
        if let Some(to) = to {
            to.canary.check();
        }
        to
    }

    /// The end of a guard: mostly dropped, in some heaps leaked now and then.
    pub(crate) fn end<G>(&mut self, guard: G) {
        if self.kind.leaks && self.random.below(self.kind.leak_every) == 0 {
            std::mem::forget(guard);
        }
    }

    /// Stores a pointer into a node, by a random way.
    pub(crate) fn store(&mut self, into: To<'gc>, to: Option<To<'gc>>) {
        into.canary.check();
        let (mc, at) = (self.mc, self.random.below(4));
        match self.random.below(19) {
            0 | 1 => into.slots[at % 3].set(mc, to),
            2 => drop(into.slots[0].compare_exchange(mc, into.slots[0].get(), to)),
            3 | 4 => self.store_in_inners(into, to),
            5 => {
                if let Some(inners) = into.inners.try_lock(mc)
                    && let Some(inner) = inners.get(at)
                {
                    self.store_inside(inner, to);
                }
            }
            6 | 7 => self.store_in_locks(into, to),
            8 => {
                if let Some(mut weak) = into.weak.try_lock(mc) {
                    *weak = to.map(|to| Gc::downgrade(to, mc));
                }
            }
            9 => {
                if let Some(mut array) = into.array.try_lock(mc) {
                    let most = if self.random.below(4) == 0 { 2000 } else { 200 };
                    let length = 1 + self.random.below(most);
                    *array = Some(Gc::slice_from_fn(mc, length, |at| {
                        if at % 50 == 3 {
                            self.garbage();
                        }
                        GcMutex::new(to.filter(|_| at % 3 == 0))
                    }));
                }
            }
            10 => {
                if let Some(array) = into.array.try_lock(mc).and_then(|array| *array)
                    && let Some(place) = array[self.random.below(array.len())].try_lock(mc)
                {
                    self.fill(place, to);
                }
            }
            11 => {
                let slots = (0..4).map(|at| GcSlot::new(to.filter(|_| at == 3)));
                into.row.set(mc, Some(Gc::new(mc, Row(slots.collect()))));
            }
            12 => {
                if let Some(row) = into.row.get() {
                    row.0[at].set(mc, to);
                }
            }
            13 | 14 => self.exchange(into, to),
            15 => self.exchange_nest(into),
            16 => self.store_in_shared_nest(into, to),
            _ => self.store_in_own_nest(to),
        }
    }

    /// Stores through a guard that is held for a while.
    pub(crate) fn fill<G: std::ops::DerefMut<Target = Option<To<'gc>>>>(
        &mut self,
        mut place: G,
        to: Option<To<'gc>>,
    ) {
        *place = to;
        self.garbage();
        self.end(place);
    }

    fn store_in_inners(&mut self, into: To<'gc>, to: Option<To<'gc>>) {
        let Some(mut inners) = into.inners.try_lock(self.mc) else {
            return;
        };
        if self.random.below(8) == 0 {
            inners.clear();
        } else if inners.len() > 3 {
            inners.remove(self.random.below(4));
        }
        inners.push(Inner::new(to, self.kind.bombs));
        self.garbage();
        self.end(inners);
    }

    fn store_inside(&mut self, inner: &Inner<'gc>, to: Option<To<'gc>>) {
        let mc = self.mc;
        match self.random.below(5) {
            0 => inner.cell.set(mc, to),
            1 => {
                if let Some(mut list) = inner.list.try_borrow_mut(mc) {
                    if list.len() > 3 {
                        list.clear();
                    }
                    list.extend(to);
                    self.garbage();
                    self.end(list);
                }
            }
            2 => {
                if let Some(to) = to {
                    let _ = inner.once.set(mc, to);
                }
            }
            3 => inner.slot.set(mc, to),
            _ => {
                if let Some(place) = inner.mutex.try_lock(mc) {
                    self.fill(place, to);
                }
            }
        }
    }

    fn store_in_locks(&mut self, into: To<'gc>, to: Option<To<'gc>>) {
        let mc = self.mc;
        if self.random.below(2) == 0 {
            let Some(locks) = into.locks.try_read() else {
                return;
            };
            if let Some(place) = locks
                .get(self.random.below(3))
                .and_then(|lock| lock.try_lock(mc))
            {
                self.fill(place, to);
            }
            self.end(locks);
            return;
        }
        let Some(mut locks) = into.locks.try_write(mc) else {
            return;
        };
        if locks.len() > 3 {
            locks.remove(0);
        }
        locks.push(GcMutex::new(to));
        self.garbage();
        if let Some(lock) = locks.get_mut(0) {
            *lock.get_mut() = to;
        }
        self.end(locks);
    }

    /// Whole cells change their places between two objects.
    fn exchange(&mut self, a: To<'gc>, b: Option<To<'gc>>) {
        let (mc, Some(b)) = (self.mc, b) else {
            return;
        };
        if self.random.below(2) == 0 {
            if let (Some(mut a), Some(mut b)) = (a.locks.try_write(mc), b.locks.try_write(mc)) {
                std::mem::swap(&mut *a, &mut *b);
                self.garbage();
            }
            return;
        }
        let (Some(mut a), Some(mut b)) = (a.inners.try_lock(mc), b.inners.try_lock(mc)) else {
            return;
        };
        let (x, y) = (self.random.below(4), self.random.below(4));
        if let (Some(x), Some(y)) = (a.get_mut(x), b.get_mut(y)) {
            std::mem::swap(x, y);
            self.garbage();
            std::mem::swap(&mut x.mutex, &mut y.mutex);
        } else if b.len() < 4
            && let Some(inner) = a.pop()
        {
            b.push(inner);
        }
    }
}
