//! What the barriers do in each mode: the table of the module header, row by row. No cycle runs: the mutator is told its mode.

use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::AtEnd;
use crate::cell::claim::{Claim, ScanWord};
use crate::cycle::command::{Colour, Command, Mode};
use crate::cycle::mutator::BUFFER;
use crate::cycle::registry::OTHERS;
use crate::heap::span::mark_of;
use crate::mark::tracer::Tracer;
use crate::mark::worklist::Take;
use crate::mutator::Mutation;
use crate::sync::atomic::Ordering;
use crate::{Gc, GcMutex, GcRefCell, GcRwLock, GcSlot, Heap, Root, Rootable, StepStatus, Trace};

mod pairs;
mod window;

/// An object with a mark of its own.
type Leaf<'gc> = Gc<'gc, [u64; 4]>;

/// Runs `f` with a mutator in `mode`, as if a cycle had just turned it, and three objects of before.
fn in_mode(
    mode: Mode,
    colour: Colour,
    f: impl for<'gc> FnOnce(&'gc Mutation<'gc>, [Leaf<'gc>; 3]),
) {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    heap.attach().enter(|mc| {
        let leaves = [0, 1, 2].map(|number| Gc::new(mc, [number; 4]));
        let (state, before) = (mc.state(), mc.state().command.get());
        let command = Command {
            mode,
            colour,
            epoch: before.epoch + 1,
            ..before
        };
        state.adopt(state.core(), command, false);
        f(mc, leaves);
        state.adopt(state.core(), before, false);
    });
}

/// The next command has been given, which another thread has adopted.
fn others_are_black(mc: &Mutation<'_>) {
    let core = mc.state().core();
    core.registry.publish(Command {
        boundary: true,
        ..core.command()
    });
    mc.state().only.set(OTHERS);
}

fn mark(mc: &Mutation<'_>, leaf: Leaf<'_>, cycles_ago: u8) {
    // SAFETY: what the stack points to lives (I2): it has its slot (I1), in a mapped chunk (I12).
    let mark = unsafe { mark_of(leaf.address()) };
    let epoch = mc.state().command.get().epoch;
    mark.store(epoch - cycles_ago, Ordering::Relaxed);
}

/// What has been shaded since the last call, and not been found.
fn shaded(mc: &Mutation<'_>) -> Vec<usize> {
    mc.state().forget_found_edges();
    core::mem::take(&mut mc.state().tracer().edges)
}

#[test]
fn a_store_shades_the_old_and_the_new_as_its_mode_says() {
    let rows = [
        (Mode::Grey, false, true, false),
        (Mode::Grey, true, true, true),
        (Mode::Black, true, true, false),
        (Mode::Insertion, true, false, true),
    ];
    for (mode, claimed, shades_old, shades_new) in rows {
        in_mode(mode, Colour::White, |mc, [a, b, _]| {
            if claimed {
                mc.state().core().window.claims();
            }
            let (old, new) = (a.address(), b.address());
            let expected: Vec<usize> = [(shades_old, old), (shades_new, new)]
                .into_iter()
                .filter_map(|(shades, object)| shades.then_some(object))
                .collect();
            let slot = GcSlot::new(Some(a));
            slot.set(mc, Some(b));
            assert_eq!(shaded(mc), expected, "set, {mode:?}");
            let slot = GcSlot::new(Some(a));
            slot.swap(mc, Some(b));
            assert_eq!(shaded(mc), expected, "swap, {mode:?}");
            let slot = GcSlot::new(Some(a));
            assert!(slot.compare_exchange(mc, Some(b), Some(a)).is_err());
            assert_eq!(shaded(mc), [], "nothing was stored, {mode:?}");
            assert!(slot.compare_exchange(mc, Some(a), Some(b)).is_ok());
            assert_eq!(shaded(mc), expected, "compare_exchange, {mode:?}");
        });
    }
}

#[test]
fn only_what_this_cycle_has_found_need_not_be_shaded() {
    in_mode(Mode::Grey, Colour::White, |mc, [a, b, c]| {
        mark(mc, b, 0);
        mark(mc, c, 1);
        for leaf in [a, b, c] {
            mc.shade_if_on(leaf);
        }
        assert_eq!(shaded(mc), [a.address(), c.address()]);
    });
    in_mode(Mode::Off, Colour::White, |mc, [a, ..]| {
        mc.shade_if_on(a);
        assert_eq!(shaded(mc), []);
    });
}

#[test]
fn a_store_is_an_exchange_until_all_mutators_are_black() {
    let rows = [
        (Mode::Grey, true, false),
        (Mode::Black, true, false),
        (Mode::Black, false, true),
        (Mode::Insertion, true, true),
    ];
    for (mode, boundary, may) in rows {
        in_mode(mode, Colour::Black, |mc, _| {
            let state = mc.state();
            state.command.set(Command {
                boundary,
                ..state.command.get()
            });
            assert_eq!(state.may_load_then_store(), may, "{mode:?}, {boundary}");
        });
    }
}

/// A write to a cell: whether it needs nothing, else its end, and what it shades at its begin and at its end.
struct Write {
    nothing: bool,
    at_end: AtEnd,
    begin: usize,
    end: usize,
}

/// Writes a cell with the word `word`; its contents are three objects, the second of which has been found.
fn write<const CONFINED: bool>(mode: Mode, word: &ScanWord, scanned: bool) -> Write {
    let mut result = Write {
        nothing: false,
        at_end: AtEnd::Nothing,
        begin: 0,
        end: 0,
    };
    in_mode(mode, Colour::White, |mc, leaves| {
        let state = mc.state();
        if scanned {
            word.scanned(state.tracer().scan_id);
        }
        mark(mc, leaves[1], 0);
        let trace = |tracer: &mut Tracer<'static>| {
            leaves.iter().for_each(|leaf| tracer.edge(leaf.address()));
        };
        let found = [leaves[0].address(), leaves[2].address()];
        let count = |shaded: Vec<usize>| {
            assert!(shaded.is_empty() || shaded == found, "{mode:?}");
            shaded.len()
        };
        result.nothing = state.needs_nothing::<CONFINED>(word);
        result.at_end = state.cell_write_begins(word, trace);
        result.begin = count(shaded(mc));
        state.cell_write_ends(word, result.at_end, trace);
        result.end = count(shaded(mc));
        let claim = word.try_claim(state.tracer().scan_id);
        let black = mode == Mode::Black;
        let left = if scanned || black {
            Claim::Scanned
        } else {
            Claim::Claimed
        };
        assert_eq!(claim, left, "what a marker finds, {mode:?}");
    });
    result
}

#[test]
fn a_write_to_a_cell_shades_and_claims_as_its_mode_says() {
    let rows = [
        (Mode::Grey, false, AtEnd::ShadeGrey, 2, 2),
        (Mode::Grey, true, AtEnd::ShadeGrey, 2, 2),
        (Mode::Black, false, AtEnd::Nothing, 2, 0),
        (Mode::Black, true, AtEnd::Nothing, 0, 0),
        (Mode::Insertion, false, AtEnd::Release, 0, 0),
        (Mode::Insertion, true, AtEnd::Shade, 0, 2),
    ];
    for (mode, scanned, at_end, begin, end) in rows {
        let write = write::<false>(mode, &ScanWord::new(), scanned);
        let found = (write.at_end, write.begin, write.end);
        assert_eq!(found, (at_end, begin, end), "{mode:?}, scanned {scanned}");
    }
}

#[test]
fn a_write_to_a_cell_needs_nothing_when_scanned_or_nobody_is_black() {
    for (mode, scanned, shared, confined) in [
        (Mode::Grey, false, true, true),
        (Mode::Grey, true, false, false),
        (Mode::Black, false, false, false),
        (Mode::Black, true, true, true),
        (Mode::Insertion, false, false, false),
        (Mode::Insertion, true, false, false),
    ] {
        let row = (
            write::<false>(mode, &ScanWord::new(), scanned).nothing,
            write::<true>(mode, &ScanWord::new(), scanned).nothing,
        );
        assert_eq!(row, (shared, confined), "{mode:?}, scanned {scanned}");
    }
}

/// A mutator may claim new cells all the time: it must not make work without end.
#[test]
fn what_a_claimed_cell_leads_to_is_handed_over_unless_it_has_been_found() {
    in_mode(Mode::Black, Colour::Black, |mc, [leaf, found, _]| {
        mark(mc, found, 0);
        let shaded = || mc.state().core().counters.shaded.load(Ordering::Relaxed);
        for length in [BUFFER, 10_000] {
            let before = shaded();
            drop(GcRefCell::new(vec![found; length]).borrow_mut(mc));
            assert_eq!(shaded(), before);
            drop(GcRefCell::new(vec![leaf; length]).borrow_mut(mc));
            assert_eq!(shaded() - before, length as u64);
            assert!(mc.state().tracer().edges.is_empty());
        }
        // The same again and again is thinned out.
        (0..200).for_each(|_| drop(GcRefCell::new(vec![leaf; 10_000]).borrow_mut(mc)));
        let list = &mc.state().core().worklist;
        list.open();
        let mut left = 0;
        while let Take::Block(block) = list.take(true) {
            left += block.len();
        }
        assert!(left <= (1 << 20) + 20_000, "{left}");
    });
}

#[test]
fn a_guard_that_must_shade_at_its_end_is_counted() {
    in_mode(Mode::Grey, Colour::White, |mc, _| {
        for (at_end, counted) in [
            (AtEnd::Nothing, 0),
            (AtEnd::ShadeGrey, 1),
            (AtEnd::Shade, 1),
            (AtEnd::Release, 0),
        ] {
            mc.state().count_guard(at_end, 1);
            assert_eq!(mc.state().open_guards.get(), counted, "{at_end:?}");
            mc.state().count_guard(at_end, -1);
            assert_eq!(mc.state().open_guards.get(), 0, "{at_end:?}");
        }
    });
}

#[test]
fn a_guard_that_has_ended_is_not_counted() {
    in_mode(Mode::Grey, Colour::White, |mc, [a, ..]| {
        let counted = || mc.state().open_guards.get();
        others_are_black(mc);
        let mutex = Gc::new(mc, GcMutex::new(a));
        let guard = mutex.lock(mc);
        assert_eq!(counted(), 1);
        drop(guard);
        assert_eq!(counted(), 0);
        let rw_lock = Gc::new(mc, GcRwLock::new(a));
        let guard = rw_lock.write(mc);
        assert_eq!(counted(), 1);
        drop(guard);
        assert_eq!(counted(), 0);
        let ref_cell = Gc::new(mc, GcRefCell::new(a));
        let guard = ref_cell.borrow_mut(mc);
        assert_eq!(counted(), 1, "it has had shared cells");
        drop(guard);
        assert_eq!(counted(), 0);
    });
}

/// A mutator that stays inside for long and stores much.
#[test]
fn what_barriers_shade_is_handed_over_in_time() {
    in_mode(Mode::Black, Colour::White, |mc, _| {
        for number in 0..10 * BUFFER as u64 {
            let slot = GcSlot::new(Some(Gc::new(mc, [number; 4])));
            slot.set(mc, None);
            assert!(mc.state().tracer().edges.len() < BUFFER, "store {number}");
        }
        let leaves = (0..2 * BUFFER as u64).map(|number| Gc::new(mc, [number; 4]));
        let cell = Gc::new(mc, GcRefCell::new(leaves.collect::<Vec<_>>()));
        cell.borrow_mut(mc).clear();
        assert!(mc.state().tracer().edges.len() < BUFFER, "what a cell held");
    });
}

/// What has been found goes to no marker, neither when the buffer is full nor when a poll hands it over; all else does.
#[test]
fn what_has_been_found_is_not_handed_over() {
    in_mode(Mode::Black, Colour::White, |mc, [a, b, _]| {
        mark(mc, b, 0);
        let core = mc.state().core();
        let handed_over = || core.counters.shaded.load(Ordering::Relaxed);
        for _ in 0..10 * BUFFER {
            mc.shade_if_on(b);
        }
        assert_eq!(handed_over(), 0, "by full buffers");
        mc.shade_if_on(a);
        mc.shade_if_on(b);
        mc.state().flush_edges(core);
        assert_eq!(handed_over(), 1, "by a poll");
        assert_eq!(shaded(mc), []);
        for _ in 0..BUFFER {
            mc.shade_if_on(a);
        }
        assert_eq!(handed_over(), 1 + BUFFER as u64, "by a full buffer");
    });
}

/// Runs `f` in a heap in which Insertion marks, when a command that polls adopt has been given: to hand over what has been shaded.
fn asked_to_flush(f: impl for<'gc> FnOnce(&Mutation<'gc>, Leaf<'gc>)) {
    let heap = Heap::builder()
        .barrier(crate::Barrier::Insertion)
        .marker_threads(0)
        .build()
        .unwrap();
    let mut mutator = heap.attach();
    let core = heap.core();
    let _marked_later: Root<Rootable!['gc => [GcSlot<Option<Leaf<'gc>>>]]> =
        mutator.enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, 1000, |_| GcSlot::new(None))));
    core.request_new_cycle();
    assert_eq!(mutator.step(1), StepStatus::InProgress);
    mutator.enter(|mc| {
        let leaf = Gc::new(mc, [1; 4]);
        let before = mc.state().command.get().seq;
        // The other mutator marks to the end, and asks for what this one has shaded.
        let mark = || while heap.attach().step(1 << 30) == StepStatus::InProgress {};
        std::thread::scope(|scope| scope.spawn(mark).join().unwrap());
        let command = core.command();
        assert!(command.seq != before && !command.boundary);
        f(mc, leaf);
    });
}

/// What waits for no poll of theirs: who only stores would keep a cycle waiting, and its barrier on. Not in the middle of a write: what it has
/// shaded is handed over with the answer, and a cell is claimed for the mode that it is in then.
#[test]
fn a_write_that_passes_a_barrier_answers() {
    type Write = for<'gc> fn(&Mutation<'gc>, &GcSlot<Option<Leaf<'gc>>>, Leaf<'gc>);
    let slots: [Write; 3] = [
        |mc, slot, leaf| slot.set(mc, Some(leaf)),
        |mc, slot, leaf| assert!(slot.swap(mc, Some(leaf)).is_none()),
        |mc, slot, leaf| assert!(slot.compare_exchange(mc, None, Some(leaf)).is_ok()),
    ];
    for write in slots {
        asked_to_flush(|mc, leaf| {
            let state = mc.state();
            write(mc, &GcSlot::new(None), leaf);
            assert_eq!(state.command.get(), state.core().command());
            assert!(state.tracer().edges.is_empty(), "shaded after the answer");
            write(mc, &GcSlot::new(None), leaf);
            assert_eq!(state.tracer().edges.len(), 1, "there is no other command");
        });
    }
    asked_to_flush(|mc, leaf| {
        let state = mc.state();
        let cell = GcRefCell::new(Some(leaf));
        assert_ne!(state.command.get(), state.core().command());
        cell.borrow_mut(mc).take();
        assert_eq!(state.command.get(), state.core().command());
    });
    // The mode is that of after the poll.
    in_mode(Mode::Black, Colour::Black, |mc, [leaf, ..]| {
        let (state, cell) = (mc.state(), GcRefCell::new(Some(leaf)));
        state.core().registry.publish(state.core().command());
        let _guard = cell.borrow_mut(mc);
        assert_eq!(state.mode.get(), Mode::Off);
        assert!(state.tracer().edges.is_empty(), "shaded although off");
    });
}

/// A root is no write.
#[test]
fn a_barrier_adopts_no_command_where_it_must_not() {
    asked_to_flush(|mc, leaf| {
        let seq = || mc.state().command.get().seq;
        let before = seq();
        drop(Root::<Rootable![[u64; 4]]>::new(mc, leaf));
        assert_eq!(seq(), before);
        mc.state().poll();
        assert_ne!(seq(), before);
    });
}

/// Panics when it is traced, once it is lit.
#[derive(Default)]
struct Fuse(Cell<bool>);

// SAFETY: T1, T10: no pointers. T2: the flag is its thread's, and no marker runs. T3, T4, T7: no destructor. T5: not kept, but each
// test has one heap. T6: no lifetimes. T8, T9: not claimed.
unsafe impl Trace<'_> for Fuse {
    fn trace(&self, _: &mut Tracer<'_>) {
        if self.0.get() {
            resume_unwind(Box::new("the fuse"));
        }
    }
}

/// Where the end of a guard has to trace what refuses: it panics, but not while its thread is unwinding, which would end the process.
/// The cycle is abandoned either way, and the next `collect` says why.
#[test]
fn a_guard_that_ends_in_an_unwinding_does_not_panic() {
    for unwinding in [false, true] {
        in_mode(Mode::Grey, Colour::White, |mc, _| {
            others_are_black(mc);
            let cell = Gc::new(mc, GcMutex::new(Fuse::default()));
            let core = mc.state().core();
            let panic = catch_unwind(AssertUnwindSafe(|| {
                let guard = cell.lock(mc);
                guard.0.set(true);
                if unwinding {
                    resume_unwind(Box::new("the program"));
                }
            }));
            let expected = if unwinding { "the program" } else { "the fuse" };
            let panic = panic.expect_err("a panic");
            assert_eq!(panic.downcast_ref::<&str>(), Some(&expected));
            assert!(core.abandon.load(Ordering::Relaxed));
            let kept = core.status.lock().panic.take();
            let kept = kept.and_then(|panic| panic.text());
            assert_eq!(kept, unwinding.then_some("the fuse"));
        });
    }
}

/// The cycle goes on until it is seen that it is to be abandoned: a marker must get past the cell, and who has caught the panic may write.
#[test]
fn a_cell_whose_contents_refuse_to_be_traced_is_given_back() {
    in_mode(Mode::Black, Colour::Black, |mc, _| {
        let (state, word) = (mc.state(), ScanWord::new());
        let refuse = |_: &mut Tracer<'static>| resume_unwind(Box::new("the fuse"));
        let begin = AssertUnwindSafe(|| state.cell_write_begins(&word, refuse));
        assert!(catch_unwind(begin).is_err());
        assert_eq!(word.try_claim(state.tracer().scan_id), Claim::Claimed);
    });
}

/// The end of a guard traces what the cell holds now. A panic there has ended it all the same.
#[test]
fn a_guard_whose_end_panics_gives_its_cell_back() {
    in_mode(Mode::Insertion, Colour::White, |mc, _| {
        let cell = GcRefCell::new(Fuse::default());
        let mut marker = Tracer::new();
        marker.scan_id = mc.state().tracer().scan_id;
        cell.trace(marker.rebrand());
        let write = AssertUnwindSafe(|| cell.borrow_mut(mc).0.set(true));
        assert!(catch_unwind(write).is_err(), "its end traces");
        assert!(cell.try_borrow().is_some());
    });
}
