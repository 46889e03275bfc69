//! Hybrid: a Grey mutator that has what nothing in the heap leads to any more, and cells that a Black one has claimed meanwhile.

use super::super::harness::{
    Bound, Model, cycle, drive, finish, heap, model, must_be_freed, mutator, note_stored, spawn,
    stored_must_live,
};
use super::super::objects::{Contents, Kept, Lent, Link, Locked, Node, Slotted};
use super::{NodeRoot, check, graph};
use crate::cycle::command::Mode;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, thread};
use crate::{Barrier, Gc, GcRefCell, Heap, Mutation, Mutator, Root, Rootable};

const WIDE: Bound = Bound { preemptions: 1 };
const NARROW: Bound = Bound { preemptions: 2 };

/// What becomes of what a Grey mutator stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stores {
    /// It is shaded.
    Shaded,
    /// The guard is leaked: it is not, and the cycle arms again.
    Leaked,
    /// The mutator has shaded much: it is not any more, and the cycle arms again.
    Unseen,
}

impl Stores {
    /// What is stored next is to become that.
    fn prepare(self, mc: &Mutation<'_>) {
        if self == Stores::Unseen && mc.state().mode.get() == Mode::Grey {
            mc.state().core().window.arm_again();
        }
    }
}

/// Hybrid: object 3 is taken out of its slot by a mutator whose barrier is not on yet; it then claims the cell, Black. The
/// other has object 3 on its Grey stack and puts it in the cell. It detaches soon or late.
fn straggle(stores: Stores) {
    let leak = stores == Stores::Leaked;
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let (holder, node) = graph(&mut main);
    let (holder2, node2) = (holder.clone(), node.clone());
    let (holder3, node3) = (holder.clone(), node.clone());
    // Nobody may wait for a lock that has been leaked.
    let locked = Arc::new(AtomicBool::new(false));
    let has_locked = locked.clone();
    loom::explore();
    let unarmed = mutator(&heap, move |m| {
        m.enter(|mc| {
            thread::yield_now();
            node2.get(mc).next.set(mc, None);
        });
        thread::yield_now();
        m.enter(|mc| holder2.get(mc).cell.lock(mc).set(None));
        has_locked.store(true, Ordering::Release);
    });
    let grey = mutator(&heap, move |m| {
        m.enter(|mc| {
            let Some(moved) = node3.get(mc).next.get() else {
                return;
            };
            thread::yield_now();
            thread::yield_now();
            if leak && !locked.load(Ordering::Acquire) {
                return;
            }
            stores.prepare(mc);
            let holder = holder3.get(mc);
            let mut guard = holder.cell.lock(mc);
            guard.set(Some(moved));
            if leak {
                core::mem::forget(guard);
            }
            note_stored(3);
        });
    });
    cycle(&heap);
    unarmed.join().unwrap();
    grey.join().unwrap();
    must_be_freed(4);
    if leak {
        stored_must_live(3);
    }
    check(&mut main, &holder, &node);
}

/// Hybrid, as `straggle`, but what the Black mutator claims is a cell with a slot in it, which has been scanned for markers from
/// then on; the Grey one has the cell for reading, and stores object 3 into the slot.
fn straggle_in_a_slot(stores: Stores) {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let (holder, node): (Root<Rootable![Slotted<'_>]>, NodeRoot) = main.enter(|mc| {
        let moved = Gc::new(mc, Node::new(3, None));
        Gc::new(mc, Node::new(4, None));
        let holder = Root::new(mc, Gc::new(mc, Slotted::new(0, None)));
        let node = Gc::new(mc, Node::new(1, Some(moved)));
        (holder, Root::new(mc, node))
    });
    let (holder2, node2) = (holder.clone(), node.clone());
    let (holder3, node3) = (holder.clone(), node.clone());
    loom::explore();
    let unarmed = mutator(&heap, move |m| {
        m.enter(|mc| {
            thread::yield_now();
            node2.get(mc).next.set(mc, None);
        });
        thread::yield_now();
        m.enter(|mc| drop(holder2.get(mc).cell.write(mc)));
    });
    let grey = mutator(&heap, move |m| {
        m.enter(|mc| {
            let Some(moved) = node3.get(mc).next.get() else {
                return;
            };
            thread::yield_now();
            thread::yield_now();
            stores.prepare(mc);
            holder3.get(mc).cell.read().set(mc, Some(moved));
        });
    });
    cycle(&heap);
    unarmed.join().unwrap();
    grey.join().unwrap();
    must_be_freed(4);
    main.enter(|mc| {
        let holder = holder.get(mc);
        holder.stamp.lives();
        if let Some(link) = holder.cell.read().get() {
            link.stamp.lives();
        }
        node.get(mc).stamp.lives();
    });
}

type Flag = Arc<AtomicBool>;

fn raise(flag: &Flag) {
    flag.store(true, Ordering::Release);
}

fn wait(flag: &Flag) {
    while !flag.load(Ordering::Acquire) {
        thread::yield_now();
    }
}

/// Hybrid's first command is given.
fn ask_first(heap: &Heap) {
    let _ = heap.core().request_new_cycle();
    drive(heap, |core| core.command().mode == Mode::Grey);
}

type LentRoot = Root<Rootable![Lent<'_>]>;
type KeptRoot = Root<Rootable![Kept<'_>]>;

/// Takes the lent cell, and keeps it with a new one in it, which has `moved`.
fn take_and_fill<'gc>(mc: &Mutation<'gc>, lent: &LentRoot, moved: Link<'gc>) -> Option<KeptRoot> {
    let cell = lent.get(mc).cell.lock(mc).take()?;
    *cell.borrow_mut(mc) = Some(GcRefCell::new(Contents::new(None)));
    cell.borrow().as_ref()?.borrow_mut(mc).set(moved);
    let kept = Kept {
        cell,
        ..Kept::new(5, None)
    };
    Some(Root::new(mc, Gc::new(mc, kept)))
}

/// What it has lives.
fn check_kept(main: &mut Mutator, kept: Option<KeptRoot>) {
    main.enter(|mc| {
        let kept = kept.expect("it was there").get(mc);
        let cell = kept.cell.borrow();
        if let Some(link) = cell.as_ref().and_then(|cell| cell.borrow().get()) {
            link.stamp.lives();
        }
    });
}

/// Hybrid, as `straggle`, but the Grey mutator takes a cell out of what the Black one has claimed. It has that to itself, puts a new cell into
/// it, and object 3 into that.
fn straggle_in_a_cell_of_its_own(stores: Stores) {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let (lent, node): (LentRoot, NodeRoot) = main.enter(|mc| {
        let moved = Gc::new(mc, Node::new(3, None));
        Gc::new(mc, Node::new(4, None));
        let lent = Root::new(mc, Gc::new(mc, Lent::new(0, None)));
        (lent, Root::new(mc, Gc::new(mc, Node::new(1, Some(moved)))))
    });
    let (lent2, node2) = (lent.clone(), node.clone());
    let flags = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let [inside, may_go] = flags.clone();
    let unarmed = mutator(&heap, move |m| {
        m.enter(|mc| {
            raise(&inside);
            wait(&may_go);
            node2.get(mc).next.set(mc, None);
        });
        thread::yield_now();
        m.enter(|mc| drop(lent2.get(mc).cell.lock(mc)));
    });
    wait(&flags[0]);
    ask_first(&heap);
    let kept = main.enter(|mc| {
        let moved = node.get(mc).next.get();
        raise(&flags[1]);
        loom::explore();
        thread::yield_now();
        thread::yield_now();
        stores.prepare(mc);
        take_and_fill(mc, &lent, moved)
    });
    finish(&heap);
    unarmed.join().unwrap();
    must_be_freed(4);
    check_kept(&mut main, kept);
}

/// Hybrid, as `straggle_in_a_cell_of_its_own`, but the Grey mutator was alone when it became so: it has taken object 3 out of a cell of its own
/// without a word. The other attaches later, Black, and claims.
fn straggle_alone() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let (lent, own): (LentRoot, KeptRoot) = main.enter(|mc| {
        let moved = Gc::new(mc, Node::new(3, None));
        Gc::new(mc, Node::new(4, None));
        let lent = Root::new(mc, Gc::new(mc, Lent::new(0, None)));
        let own = Kept {
            cell: GcRefCell::new(Some(GcRefCell::new(Contents::new(Some(moved))))),
            ..Kept::new(1, None)
        };
        (lent, Root::new(mc, Gc::new(mc, own)))
    });
    let (lent2, attaching, driven) = (lent.clone(), heap.clone(), heap.clone());
    loom::explore();
    let driver = spawn(move || cycle(&driven));
    thread::yield_now();
    let kept = main.enter(|mc| {
        let moved = {
            let own = own.get(mc);
            let own = own.cell.borrow();
            let own = own.as_ref().expect("it was made with one");
            let moved = own.borrow().get();
            own.borrow_mut(mc).set(None);
            moved
        };
        thread::yield_now();
        let late = spawn(move || {
            attaching
                .attach()
                .enter(|mc| drop(lent2.get(mc).cell.lock(mc)));
        });
        late.join().unwrap();
        take_and_fill(mc, &lent, moved)
    });
    driver.join().unwrap();
    must_be_freed(4);
    check_kept(&mut main, kept);
}

/// Hybrid: a Black mutator has read object 2 in a shared cell, which nobody has claimed, and keeps it on its stack. A Grey one takes it out. The
/// first puts it into a slot, which may have been scanned by then.
fn overwrite_what_was_read() {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let (holder, node): (Root<Rootable![Locked<'_>]>, NodeRoot) = main.enter(|mc| {
        let read = Gc::new(mc, Node::new(2, None));
        Gc::new(mc, Node::new(4, None));
        let holder = Root::new(mc, Gc::new(mc, Locked::new(0, Some(read))));
        (holder, Root::new(mc, Gc::new(mc, Node::new(1, None))))
    });
    let (holder2, node2) = (holder.clone(), node.clone());
    let flags = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    let [inside, may_go, has_read] = flags.clone();
    let black = mutator(&heap, move |m| {
        m.enter(|_| {
            raise(&inside);
            wait(&may_go);
        });
        m.enter(|mc| {
            let link = holder2.get(mc).cell.read().get();
            raise(&has_read);
            thread::yield_now();
            node2.get(mc).next.set(mc, link);
        });
    });
    wait(&flags[0]);
    ask_first(&heap);
    main.enter(|mc| {
        raise(&flags[1]);
        wait(&flags[2]);
        assert_eq!(mc.state().mode.get(), Mode::Grey);
        loom::explore();
        holder.get(mc).cell.write(mc).set(None);
    });
    finish(&heap);
    black.join().unwrap();
    must_be_freed(4);
    main.enter(|mc| {
        let link = node.get(mc).next.get();
        link.expect("it has been set").stamp.lives();
    });
}

pub(super) fn grey() -> Vec<Model> {
    let all = [Stores::Shaded, Stores::Leaked, Stores::Unseen];
    let straggling = all.map(|stores| {
        let name = format!("cell, grey straggler, {stores:?}").to_lowercase();
        model(name, WIDE, move || straggle(stores))
    });
    let seen_or_not = [Stores::Shaded, Stores::Unseen];
    let slots = seen_or_not.map(|stores| {
        let name = format!("slot in a scanned cell, {stores:?}").to_lowercase();
        model(name, WIDE, move || straggle_in_a_slot(stores))
    });
    let nested = seen_or_not.map(|stores| {
        let name = format!("cell in a scanned cell, {stores:?}").to_lowercase();
        model(name, NARROW, move || straggle_in_a_cell_of_its_own(stores))
    });
    let others = [
        model("cell, straggler alone".into(), WIDE, straggle_alone),
        model(
            "cell, overwritten when read".into(),
            NARROW,
            overwrite_what_was_read,
        ),
    ];
    let parts = [slots.into(), nested.into(), others.into()];
    straggling
        .into_iter()
        .chain(parts.into_iter().flat_map(|part: Vec<Model>| part))
        .collect()
}
