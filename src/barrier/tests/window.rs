//! What a Grey mutator does at cells and slots, and what it need not do: see `window`.

use std::sync::Arc;
use std::sync::mpsc::channel;

use super::{Leaf, in_mode, others_are_black, shaded};
use crate::cell::claim::ScanWord;
use crate::cycle::command::{Colour, Mode};
use crate::cycle::core::Phase;
use crate::cycle::registry::OTHERS;
use crate::mark::tracer::Tracer;
use crate::sync::atomic::Ordering;
use crate::{
    Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcSlot, Heap, Mutation, Root, Rootable,
    Trace,
};

type Inner<'gc> = GcRefCell<Option<Gc<'gc, Arc<()>>>>;
type Outer<'gc> = GcRefCell<Option<Inner<'gc>>>;

/// What two threads share: a pointer, and a cell that goes from one to the other.
#[derive(Trace)]
#[trace(crate = crate)]
struct Shared<'gc> {
    slot: GcSlot<Option<Gc<'gc, Arc<()>>>>,
    cell: GcMutex<Option<Outer<'gc>>>,
}

#[derive(Trace)]
#[trace(crate = crate)]
struct Holder<'gc>(Outer<'gc>);

/// A pointer that was deleted before the barriers were on is on a Grey stack. A Black mutator has claimed a shared cell, and with it a cell in
/// there, which no marker will look into; the Grey one takes that out, and has it to itself. It puts a new cell into it, and then the
/// pointer into the new cell, which has not been scanned.
#[test]
fn a_cell_that_nobody_has_scanned_in_one_that_was_scanned_keeps_what_is_in_it() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (core, mut grey, canary) = (heap.core(), heap.attach(), Arc::new(()));
    let shared: Root<Rootable![Shared<'_>]> = grey.enter(|mc| {
        let slot = GcSlot::new(Some(Gc::new(mc, canary.clone())));
        let cell = GcMutex::new(Some(GcRefCell::new(None)));
        Root::new(mc, Gc::new(mc, Shared { slot, cell }))
    });
    let ((tell, told), (say, said)) = (channel(), channel());
    let holder: Root<Rootable![Holder<'_>]> = std::thread::scope(|scope| {
        let (shared, heap) = (&shared, &heap);
        scope.spawn(move || {
            let mut other = heap.attach();
            other.enter(|mc| {
                say.send(()).unwrap();
                told.recv().unwrap();
                assert_eq!(mc.state().mode.get(), Mode::Off);
                shared.get(mc).slot.set(mc, None);
            });
            other.enter(|mc| {
                assert_eq!(mc.state().mode.get(), Mode::Black);
                drop(shared.get(mc).cell.lock(mc));
            });
            say.send(()).unwrap();
        });
        said.recv().unwrap();
        let _ = core.request_new_cycle();
        let _ = core.advance(&mut core.driver.lock(), &mut None, 1);
        assert_eq!(core.command().mode, Mode::Grey);
        grey.enter(|mc| {
            assert_eq!(mc.state().mode.get(), Mode::Grey);
            let shared = shared.get(mc);
            let moved = shared.slot.get();
            tell.send(()).unwrap();
            said.recv().unwrap();
            let outer = shared.cell.lock(mc).take().unwrap();
            *outer.borrow_mut(mc) = Some(GcRefCell::new(None));
            *outer.borrow().as_ref().unwrap().borrow_mut(mc) = moved;
            Root::new(mc, Gc::new(mc, Holder(outer)))
        })
    });
    while core.phase() != Phase::Idle {
        let _ = core.step(1 << 30);
    }
    assert_eq!(Arc::strong_count(&canary), 2, "its holder lives");
    grey.enter(|mc| {
        let holder = holder.get(mc);
        let outer = holder.0.borrow();
        let inner = outer.as_ref().unwrap().borrow();
        assert!(inner.is_some());
    });
}

/// No marker has started, and others may still write without a barrier: markers scan all that is in the cell, cells in it too.
#[test]
fn what_a_grey_mutator_shades_is_left_to_the_markers() {
    in_mode(Mode::Grey, Colour::White, |mc, [leaf, ..]| {
        others_are_black(mc);
        let cell = GcMutex::new(GcRefCell::new(Some(leaf)));
        drop(cell.lock(mc));
        assert_eq!(shaded(mc), [leaf.address(); 2], "begin and end");
        let mut marker = Tracer::new();
        marker.scan_id = mc.state().tracer().scan_id;
        cell.trace(marker.rebrand());
        assert_eq!(marker.edges, [leaf.address()]);
    });
}

/// While Hybrid arms, of the real cells.
#[test]
fn a_grey_mutator_shades_what_is_in_cells_that_threads_share() {
    in_mode(Mode::Grey, Colour::White, |mc, [a, b, _]| {
        let old_and_new = [a.address(), b.address()];
        *GcMutex::new(Some(a)).lock(mc) = Some(b);
        assert_eq!(shaded(mc), [], "nobody is Black");
        others_are_black(mc);
        *GcRefCell::new(Some(a)).borrow_mut(mc) = Some(b);
        GcCell::new(Some(a)).set(mc, Some(b));
        GcOnceCell::new().set(mc, b).unwrap();
        assert_eq!(shaded(mc), [], "confined cells");
        let mutex = [(); 2].map(|()| GcMutex::new(Some(a)));
        *mutex[0].lock(mc) = Some(b);
        assert_eq!(shaded(mc), old_and_new, "lock");
        *mutex[1].try_lock(mc).unwrap() = Some(b);
        assert_eq!(shaded(mc), old_and_new, "try_lock");
        let lock = [(); 2].map(|()| GcRwLock::new(Some(a)));
        *lock[0].write(mc) = Some(b);
        assert_eq!(shaded(mc), old_and_new, "write");
        *lock[1].try_write(mc).unwrap() = Some(b);
        assert_eq!(shaded(mc), old_and_new, "try_write");
        *GcRefCell::new(Some(a)).borrow_mut(mc) = Some(b);
        assert_eq!(shaded(mc), old_and_new, "what was in a shared cell");
        GcCell::new(Some(a)).set(mc, Some(b));
        assert_eq!(shaded(mc), old_and_new, "the same");
    });
}

#[test]
fn a_cell_needs_nothing_until_others_are_black() {
    in_mode(Mode::Grey, Colour::White, |mc, _| {
        let (state, word) = (mc.state(), ScanWord::new());
        let needs_nothing = || {
            let confined = state.needs_nothing::<true>(&word);
            (confined, state.needs_nothing::<false>(&word))
        };
        assert_eq!(needs_nothing(), (true, true));
        let core = state.core();
        core.registry.publish(core.command());
        assert_eq!(needs_nothing(), (true, true), "it is alone");
        state.only.set(OTHERS);
        assert_eq!(needs_nothing(), (true, false));
        assert_eq!(needs_nothing(), (false, false), "it has had a shared one");
        core.window.arm_again();
        assert_eq!(needs_nothing(), (true, true), "the cycle arms again");
        word.scanned(state.tracer().scan_id);
        assert_eq!(needs_nothing(), (true, true), "that means nothing then");
        core.window.begin();
        assert_eq!(needs_nothing(), (false, false), "this cycle's does");
        core.window.begin();
        assert!(!state.needs_nothing::<true>(&word));
        let new = ScanWord::new();
        assert!(!state.needs_nothing::<true>(&new), "it may be in that");
    });
}

/// A mutator that writes to one table, or to slots, for as long as it is inside.
#[test]
fn who_shades_much_has_the_cycle_arm_again() {
    const MUCH: usize = 1000;
    fn shades<'gc>(mc: &'gc Mutation<'gc>, much: usize, write: impl Fn()) -> usize {
        others_are_black(mc);
        mc.state().core().window.much.store(much, Ordering::Relaxed);
        let before = mc.state().core().counters.shaded.load(Ordering::Relaxed);
        (0..10 * MUCH).for_each(|_| write());
        mc.state().hand_edges_over(mc.state().core());
        let window = &mc.state().core().window;
        assert!(window.takes_second_arming());
        assert!(!window.takes_second_arming(), "once");
        (mc.state().core().counters.shaded.load(Ordering::Relaxed) - before) as usize
    }
    in_mode(Mode::Grey, Colour::White, |mc, leaves: [Leaf<'_>; 3]| {
        let cell = GcMutex::new(leaves);
        let shaded = shades(mc, MUCH, || drop(cell.lock(mc)));
        // They count a little again when they are handed over.
        assert!((MUCH - MUCH / 64..MUCH + 10).contains(&shaded), "{shaded}");
    });
    in_mode(Mode::Grey, Colour::White, |mc, [a, b, _]| {
        let slot = GcSlot::new(Some(a));
        let shaded = shades(mc, 9, || slot.set(mc, Some(b)));
        assert!((9 * 64..1500).contains(&shaded), "{shaded}");
    });
}

/// A table that is traced for long has few edges, perhaps. Who drives cycles itself goes by edges alone.
#[test]
fn the_time_that_tables_take_counts_as_well() {
    for (markers, arms_again) in [(1, true), (0, false)] {
        let heap = Heap::builder().marker_threads(markers).build().unwrap();
        let core = heap.core();
        heap.attach().enter(|mc| {
            mc.state().shade_grey(|| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                1
            });
        });
        assert_eq!(core.window.takes_second_arming(), arms_again);
    }
}

/// The write that takes it so far ends without a word, too.
#[test]
fn no_guard_shades_when_the_cycle_arms_again() {
    in_mode(Mode::Grey, Colour::White, |mc, leaves| {
        others_are_black(mc);
        mc.state().core().window.much.store(2, Ordering::Relaxed);
        drop(GcMutex::new(leaves).lock(mc));
        assert_eq!(shaded(mc).len(), 3);
        mc.state().core().window.begin();
    });
}

/// Runs a cycle in which `write` is called so often by a Grey mutator, in one `enter`, while another is Black; how many edges were shaded, and
/// the cycle's stops.
fn writes_in_the_window<T: for<'a> Rootable<'a>>(
    writes: u64,
    make: impl for<'gc> Fn(&'gc Mutation<'gc>) -> Root<T>,
    write: impl for<'gc> Fn(&'gc Mutation<'gc>, &Root<T>, u64),
) -> (u64, u32) {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (core, mut grey) = (heap.core(), heap.attach());
    let root = grey.enter(|mc| make(mc));
    let ((tell, told), (say, said)) = (channel(), channel());
    std::thread::scope(|scope| {
        let heap = &heap;
        scope.spawn(move || {
            let mut other = heap.attach();
            other.enter(|_| {
                say.send(()).unwrap();
                told.recv().unwrap();
            });
            other.enter(|mc| assert_eq!(mc.state().mode.get(), Mode::Black));
            say.send(()).unwrap();
        });
        said.recv().unwrap();
        let _ = core.request_new_cycle();
        let _ = core.advance(&mut core.driver.lock(), &mut None, 1);
        grey.enter(|mc| {
            tell.send(()).unwrap();
            said.recv().unwrap();
            assert_eq!(mc.state().mode.get(), Mode::Grey);
            (0..writes).for_each(|number| write(mc, &root, number));
        });
    });
    while core.phase() != Phase::Idle {
        let _ = core.step(1 << 30);
    }
    let cycle = core.status.lock().last.clone();
    (cycle.objects_shaded, cycle.stops)
}

/// It would be traced twice for each write: half a million times a thousand, in this build for minutes.
#[test]
fn a_table_that_is_written_while_the_cycle_arms_is_not_traced_each_time() {
    type Own = Rootable!['gc => GcRefCell<Vec<Gc<'gc, u64>>>];
    type Shared = Rootable!['gc => GcMutex<Vec<Gc<'gc, u64>>>];
    const ENTRIES: usize = 100_000;
    const WRITES: u64 = 1000;
    fn entries<'gc>(mc: &'gc Mutation<'gc>) -> Vec<Gc<'gc, u64>> {
        vec![Gc::new(mc, 7); ENTRIES]
    }
    let own = writes_in_the_window(
        WRITES,
        |mc| -> Root<Own> { Root::new(mc, Gc::new(mc, GcRefCell::new(entries(mc)))) },
        |mc, root, number| root.get(mc).borrow_mut(mc)[0] = Gc::new(mc, number),
    );
    assert_eq!(own, (0, 0), "nor is what is new");
    let (shaded, stops) = writes_in_the_window(
        WRITES,
        |mc| -> Root<Shared> { Root::new(mc, Gc::new(mc, GcMutex::new(entries(mc)))) },
        |mc, root, number| root.get(mc).lock(mc)[0] = Gc::new(mc, number),
    );
    assert!(shaded <= 2 * ENTRIES as u64 + WRITES, "{shaded}");
    assert_eq!(stops, 1);
}
