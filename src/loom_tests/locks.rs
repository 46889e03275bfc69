//! The other cells with claims: under a reader-writer lock, of one thread, set once, with a copy; and two mutators under
//! one lock while a marker comes by.

use super::harness::{
    Bound, Caught, EVERY, Model, are_caught, begin, cycle, finish, heap, hold, model,
    must_be_freed, mutator, polls, spawn, switch_point,
};
use super::objects::{Confined, Contents, Copied, Link, Locked, Node, Once, Shared};
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Heap, Mutation, Mutator, Root, Rootable};

const BOUND: Bound = Bound { preemptions: 2 };
const THREE_THREADS: Bound = Bound { preemptions: 1 };

type NodeRoot = Root<Rootable![Node<'_>]>;

/// Object 1 holds 3 in a slot; 4 is garbage.
fn node(main: &mut Mutator) -> NodeRoot {
    main.enter(|mc| {
        let moved = Gc::new(mc, Node::new(3, None));
        Gc::new(mc, Node::new(4, None));
        Root::new(mc, Gc::new(mc, Node::new(1, Some(moved))))
    })
}

/// Runs a cycle on a thread of its own while `program` runs here.
fn against_a_cycle(heap: &Heap, program: impl FnOnce()) {
    let marked = heap.clone();
    loom::explore();
    let marker = spawn(move || cycle(&marked));
    program();
    marker.join().unwrap();
    must_be_freed(4);
}

/// What the models do with a cell of one thread.
trait Holder<'gc> {
    fn put(&self, mc: &Mutation<'gc>, link: Link<'gc>);
    fn look(&self) -> Link<'gc>;
}

impl<'gc> Holder<'gc> for Confined<'gc> {
    fn put(&self, mc: &Mutation<'gc>, link: Link<'gc>) {
        self.cell.borrow_mut(mc).set(link);
    }

    fn look(&self) -> Link<'gc> {
        self.cell.borrow().get()
    }
}

impl<'gc> Holder<'gc> for Once<'gc> {
    fn put(&self, mc: &Mutation<'gc>, link: Link<'gc>) {
        drop(self.cell.set(mc, Contents::new(link)));
    }

    fn look(&self) -> Link<'gc> {
        self.cell.get().and_then(Contents::get)
    }
}

impl<'gc> Holder<'gc> for Copied<'gc> {
    fn put(&self, mc: &Mutation<'gc>, link: Link<'gc>) {
        self.cell.set(mc, link);
    }

    fn look(&self) -> Link<'gc> {
        self.cell.get()
    }
}

macro_rules! confined {
    ($($name:ident: $holder:ident;)*) => {$(
        /// An object moves from a slot into a cell of one thread; who puts it there goes on with what was in the cell.
        fn $name(barrier: Barrier) {
            let heap = heap(barrier);
            let mut main = heap.attach();
            // In this order, so that markers come to the cell first.
            let holder: Root<Rootable![$holder<'_>]> = main.enter(|mc| {
                let old = Gc::new(mc, Node::new(2, None));
                Root::new(mc, Gc::new(mc, $holder::new(0, Some(old))))
            });
            let node = node(&mut main);
            against_a_cycle(&heap, || {
                main.enter(|mc| {
                    let (holder, node) = (holder.get(mc), node.get(mc));
                    let old = holder.look();
                    holder.put(mc, node.next.get());
                    switch_point();
                    node.next.set(mc, None);
                    polls(mc);
                    old.inspect(|old| old.stamp.lives());
                });
                main.enter(|mc| {
                    if let Some(link) = holder.get(mc).look() {
                        link.stamp.lives();
                    }
                });
            });
        }
    )*};
}

confined! {
    borrow: Confined;
    set_once: Once;
    copy: Copied;
}

/// A writer replaces the contents under a reader-writer lock, a reader uses them, and a marker comes by.
fn read_and_write(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let holder: Root<Rootable![Locked<'_>]> = main.enter(|mc| {
        let old = Gc::new(mc, Node::new(2, None));
        Root::new(mc, Gc::new(mc, Locked::new(0, Some(old))))
    });
    let node = node(&mut main);
    begin(&heap);
    let holder2 = holder.clone();
    loom::explore();
    let writer = mutator(&heap, move |m| {
        m.enter(|mc| {
            let node = node.get(mc);
            holder2.get(mc).cell.write(mc).set(node.next.get());
            switch_point();
            node.next.set(mc, None);
        });
    });
    let marked = heap.clone();
    let marker = spawn(move || finish(&marked));
    main.enter(|mc| {
        let holder = holder.get(mc);
        let contents = holder.cell.read();
        let link = contents.get();
        drop(contents);
        switch_point();
        if let Some(link) = link {
            link.stamp.lives();
        }
    });
    writer.join().unwrap();
    marker.join().unwrap();
    must_be_freed(4);
    main.enter(|mc| {
        if let Some(link) = holder.get(mc).cell.read().get() {
            link.stamp.lives();
        }
    });
}

/// Two mutators write one cell under its lock: one puts an object in, the other takes it out; a marker comes by.
fn write_and_write(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let holder: Root<Rootable![Shared<'_>]> =
        main.enter(|mc| Root::new(mc, Gc::new(mc, Shared::new(0, None))));
    let node = node(&mut main);
    begin(&heap);
    let holder2 = holder.clone();
    loom::explore();
    let puts = mutator(&heap, move |m| {
        m.enter(|mc| {
            let node = node.get(mc);
            holder2.get(mc).cell.lock(mc).set(node.next.get());
            switch_point();
            node.next.set(mc, None);
        });
    });
    let marked = heap.clone();
    let marker = spawn(move || finish(&marked));
    main.enter(|mc| {
        let holder = holder.get(mc);
        let mut contents = holder.cell.lock(mc);
        let link = contents.get();
        contents.set(None);
        drop(contents);
        switch_point();
        if let Some(link) = link {
            polls(mc);
            link.stamp.lives();
        }
    });
    puts.join().unwrap();
    marker.join().unwrap();
    must_be_freed(4);
    main.enter(|mc| {
        if let Some(link) = holder.get(mc).cell.lock(mc).get() {
            link.stamp.lives();
        }
    });
}

pub(super) fn models() -> Vec<Model> {
    let mut models = Vec::new();
    for barrier in EVERY {
        let named = |what| format!("{what}, {barrier}");
        models.push(model(named("GcRefCell"), BOUND, move || borrow(barrier)));
        models.push(model(named("GcOnceCell"), BOUND, move || set_once(barrier)));
        models.push(model(named("GcCell"), BOUND, move || copy(barrier)));
        models.push(model(named("GcRwLock"), THREE_THREADS, move || {
            read_and_write(barrier)
        }));
        models.push(model(
            named("GcMutex, two writers"),
            THREE_THREADS,
            move || write_and_write(barrier),
        ));
    }
    models
}

pub(super) const TWINS: &[Caught] = &[
    ("GcRefCell, deletion", Twin::NoClaim),
    ("GcOnceCell, insertion", Twin::NoClaim),
    ("GcOnceCell, insertion", Twin::EndNotShaded),
    ("GcCell, insertion", Twin::NoClaim),
    ("GcRwLock, insertion", Twin::NoClaim),
    ("GcRwLock, deletion", Twin::NoClaim),
    ("GcRwLock, deletion", Twin::WriterDoesNotWait),
    ("GcRwLock, insertion", Twin::EndNotShaded),
    ("GcMutex, two writers, deletion", Twin::NoClaim),
    ("GcMutex, two writers, insertion", Twin::EndNotShaded),
    ("GcOnceCell, insertion", Twin::InsertionNeedsNothing),
    ("GcRefCell, insertion", Twin::EndNotShaded),
    ("GcRefCell, hybrid", Twin::NoClaim),
    ("GcOnceCell, deletion", Twin::NoClaim),
    ("GcOnceCell, hybrid", Twin::MarkerDoesNotClaim),
    ("GcCell, deletion", Twin::ClaimNotTraced),
    ("GcCell, hybrid", Twin::NoClaim),
    ("GcRwLock, hybrid", Twin::WriterDoesNotWait),
    ("GcMutex, two writers, hybrid", Twin::WriterDoesNotWait),
    ("GcRefCell, stop-the-world", Twin::StopTakesSome),
    ("GcOnceCell, stop-the-world", Twin::StopTakesSome),
    ("GcCell, stop-the-world", Twin::StopTakesSome),
    ("GcRwLock, stop-the-world", Twin::EntersDuringStop),
    (
        "GcMutex, two writers, stop-the-world",
        Twin::EntersDuringStop,
    ),
];

#[test]
fn every_cell_keeps_markers_and_writers_apart() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
