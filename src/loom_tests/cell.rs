//! Cells with claims: a mutator that writes against the marker that reads, two mutators under a lock, leaked guards.

use super::harness::{
    Bound, Caught, Model, are_caught, begin, cycle, drive, finish, heap, hold, model,
    must_be_freed, must_live, mutator, polls, spawn, switch_point,
};
use super::objects::{Nested, Node, Shared};
use crate::mark::aside::SetAside;
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Heap, Mutator, Root, Rootable};

mod straggler;

const BOUND: Bound = Bound { preemptions: 2 };
const DEEP: Bound = Bound { preemptions: 3 };

type NodeRoot = Root<Rootable![Node<'_>]>;
type SharedRoot = Root<Rootable![Shared<'_>]>;

const BARRIERS: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

/// Object 0 holds 2 in a cell, object 1 holds 3 in a slot; 4 is garbage.
fn graph(main: &mut Mutator) -> (SharedRoot, NodeRoot) {
    main.enter(|mc| {
        let old = Gc::new(mc, Node::new(2, None));
        let moved = Gc::new(mc, Node::new(3, None));
        Gc::new(mc, Node::new(4, None));
        let holder = Root::new(mc, Gc::new(mc, Shared::new(0, Some(old))));
        (
            holder,
            Root::new(mc, Gc::new(mc, Node::new(1, Some(moved)))),
        )
    })
}

fn check(main: &mut Mutator, holder: &SharedRoot, node: &NodeRoot) {
    main.enter(|mc| {
        let holder = holder.get(mc);
        holder.stamp.lives();
        // A leaked guard has locked it for good.
        if let Some(contents) = holder.cell.try_lock(mc)
            && let Some(link) = contents.get()
        {
            link.stamp.lives();
        }
        node.get(mc).stamp.lives();
    });
}

/// A mutator replaces the contents of the cell by an object that it takes out of a slot, and keeps the old contents on its
/// stack. It leaks its guard, or not.
fn replace(barrier: Barrier, leak: bool) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (holder, node) = graph(&mut main);
    let (holder2, node2) = (holder.clone(), node.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let (holder, node) = (holder2.get(mc), node2.get(mc));
            let mut guard = holder.cell.lock(mc);
            let old = guard.get();
            guard.set(node.next.get());
            if leak {
                core::mem::forget(guard);
            } else {
                drop(guard);
            }
            switch_point();
            node.next.set(mc, None);
            polls(mc);
            if let Some(old) = old {
                old.stamp.lives();
            }
        });
    });
    cycle(&heap);
    thread.join().unwrap();
    if leak {
        // What was written through a leaked guard may be known to the next cycle only; Insertion frees nothing in this one.
        must_live(3);
        cycle(&heap);
    }
    must_be_freed(4);
    must_live(3);
    check(&mut main, &holder, &node);
}

/// A mutator writes a cell inside another, which it only reads.
fn nest(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (holder, node): (Root<Rootable![Nested<'_>]>, NodeRoot) = main.enter(|mc| {
        let moved = Gc::new(mc, Node::new(3, None));
        let old = Gc::new(mc, Node::new(2, None));
        Gc::new(mc, Node::new(4, None));
        let holder = Root::new(mc, Gc::new(mc, Nested::new(0, Some(old))));
        let node = Gc::new(mc, Node::new(1, Some(moved)));
        (holder, Root::new(mc, node))
    });
    let (holder2, node2) = (holder.clone(), node.clone());
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            let (holder, node) = (holder2.get(mc), node2.get(mc));
            let outer = holder.cell.read();
            outer.lock(mc).set(node.next.get());
            switch_point();
            node.next.set(mc, None);
        });
    });
    cycle(&heap);
    thread.join().unwrap();
    must_be_freed(4);
    must_live(3);
    main.enter(|mc| {
        let holder = holder.get(mc);
        holder.stamp.lives();
        let link = holder.cell.read().lock(mc).get();
        link.expect("it has been set").stamp.lives();
    });
}

/// A mutator writes the cell in one `enter`, its barrier perhaps off, and again in the next, its barrier perhaps just switched
/// on by itself: it must see the cycle's scan id, and the marker must see what it wrote.
fn rewrite(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let (holder, node) = graph(&mut main);
    let holder2 = holder.clone();
    loom::explore();
    let thread = mutator(&heap, move |m| {
        m.enter(|mc| {
            thread::yield_now();
            let holder = holder2.get(mc);
            let mut guard = holder.cell.lock(mc);
            let link = guard.get();
            guard.set(link);
        });
        m.enter(|mc| {
            thread::yield_now();
            holder2.get(mc).cell.lock(mc).set(None);
        });
    });
    cycle(&heap);
    thread.join().unwrap();
    must_be_freed(4);
    check(&mut main, &holder, &node);
}

/// Insertion, and a round has been asked for.
fn in_the_last_round() -> (Heap, Mutator, (SharedRoot, NodeRoot)) {
    let heap = heap(Barrier::Insertion);
    let mut main = heap.attach();
    let roots = graph(&mut main);
    begin(&heap);
    let seq = heap.core().command_seq();
    drive(&heap, |core| core.command_seq() != seq);
    (heap, main, roots)
}

/// Insertion, a round has been asked for: a mutator makes an object, and leaks a guard that leaves its cell busy. Only the final
/// stop learns of the object. A second marker may take it, and set it aside when the stop has looked at all that had been: what
/// is in the cell must be found all the same.
fn set_aside_late() {
    let (heap, mut main, _roots) = in_the_last_round();
    let _made: SharedRoot = main.enter(|mc| {
        let new = Gc::new(mc, Shared::new(5, None));
        let mut guard = new.cell.lock(mc);
        guard.set(Some(Gc::new(mc, Node::new(6, None))));
        core::mem::forget(guard);
        Root::new(mc, new)
    });
    let driven = heap.clone();
    loom::explore();
    let driver = spawn(move || finish(&driven));
    for _ in 0..2 {
        let mut marker = None;
        let _ = heap.core().mark_some(&mut marker, u64::MAX);
        if let Some(marker) = marker {
            heap.core().retire_marker(marker);
        }
        thread::yield_now();
    }
    driver.join().unwrap();
    must_be_freed(4);
    must_live(6);
}

/// Insertion, a round has been asked for: a mutator makes an object, which the final stop learns of. A marker takes it during
/// the stop, and a second one, that met it at the same moment, has set it aside. The mutator that goes on writes its cell.
fn set_aside_and_scanned() {
    let (heap, mut main, _roots) = in_the_last_round();
    let (made, address): (SharedRoot, usize) = main.enter(|mc| {
        let new = Gc::new(mc, Shared::new(5, Some(Gc::new(mc, Node::new(6, None)))));
        (Root::new(mc, new), Gc::address(new))
    });
    heap.core().worklist.defer(&mut SetAside {
        objects: vec![address],
        rests: vec![],
    });
    let (driven, marked) = (heap.clone(), heap.clone());
    loom::explore();
    let driver = spawn(move || finish(&driven));
    let marker = spawn(move || {
        let mut marker = None;
        let _ = marked.core().mark_some(&mut marker, u64::MAX);
        if let Some(marker) = marker {
            marked.core().retire_marker(marker);
        }
    });
    main.enter(|mc| {
        thread::yield_now();
        made.get(mc).cell.lock(mc).set(None);
    });
    driver.join().unwrap();
    marker.join().unwrap();
    must_be_freed(4);
}

fn replacing() -> Vec<Model> {
    let cases = BARRIERS
        .iter()
        .flat_map(|&barrier| [false, true].map(|leak| (barrier, leak)));
    cases
        .map(|(barrier, leak)| {
            let name = format!("cell, {barrier}, leak {leak}");
            model(name, BOUND, move || replace(barrier, leak))
        })
        .collect()
}

fn rewriting() -> Vec<Model> {
    BARRIERS
        .map(|barrier| {
            let name = format!("cell, rewritten, {barrier}");
            model(name, BOUND, move || rewrite(barrier))
        })
        .into()
}

fn nesting() -> Vec<Model> {
    BARRIERS
        .map(|barrier| {
            let name = format!("cell in a cell, {barrier}");
            model(name, BOUND, move || nest(barrier))
        })
        .into()
}

fn setting_aside() -> Vec<Model> {
    vec![
        model("cell, set aside late".into(), DEEP, set_aside_late),
        model(
            "cell, set aside and scanned".into(),
            DEEP,
            set_aside_and_scanned,
        ),
    ]
}

pub(super) fn models() -> Vec<Model> {
    [
        replacing(),
        nesting(),
        rewriting(),
        straggler::grey(),
        setting_aside(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) const TWINS: &[Caught] = &[
    ("cell, insertion, leak false", Twin::NoClaim),
    ("cell, insertion, leak false", Twin::WriterDoesNotWait),
    ("cell, insertion, leak false", Twin::EndNotShaded),
    ("cell, insertion, leak true", Twin::BusyNotSetAside),
    ("cell, deletion, leak false", Twin::NoClaim),
    ("cell, deletion, leak false", Twin::MarkerDoesNotClaim),
    ("cell, hybrid, leak false", Twin::NoClaim),
    ("cell, hybrid, leak false", Twin::WriterDoesNotWait),
    ("cell, hybrid, leak false", Twin::ScannedBeforeTrace),
    ("cell, insertion, leak true", Twin::ScanIdKept),
    ("cell, insertion, leak false", Twin::ScanIdLate),
    ("cell, insertion, leak true", Twin::DeferredForgotten),
    ("cell, insertion, leak true", Twin::InsertionLeakIgnored),
    ("cell, deletion, leak false", Twin::ClaimNotTraced),
    ("cell, deletion, leak false", Twin::PollsInClaim),
    ("cell, set aside late", Twin::SetAsideIgnored),
    ("cell, set aside and scanned", Twin::ForceBesideMarker),
    ("cell in a cell, insertion", Twin::OuterCellScanned),
    ("cell in a cell, deletion", Twin::MarkerDoesNotClaim),
    ("cell in a cell, hybrid", Twin::WriterDoesNotWait),
    ("cell, rewritten, insertion", Twin::AnswerNotReleased),
    ("cell, rewritten, deletion", Twin::ScannedBeforeTrace),
    ("cell, rewritten, hybrid", Twin::WriterDoesNotWait),
    ("cell, deletion, leak true", Twin::ClaimNotTraced),
    ("cell, hybrid, leak true", Twin::ClaimNotTraced),
];

pub(super) const GREY_TWINS: &[Caught] = &[
    ("cell, grey straggler, shaded", Twin::EndNotShaded),
    ("cell, grey straggler, shaded", Twin::GreyClaims),
    ("cell, grey straggler, leaked", Twin::LeakIgnored),
    ("cell, grey straggler, leaked", Twin::DetachForgetsLeak),
    ("cell, grey straggler, leaked", Twin::ClaimsKept),
    ("cell, grey straggler, unseen", Twin::LeakIgnored),
    ("cell, grey straggler, unseen", Twin::ClaimsKept),
    ("slot in a scanned cell, shaded", Twin::NewNotShaded),
    ("slot in a scanned cell, shaded", Twin::ClaimNotSaid),
    ("slot in a scanned cell, unseen", Twin::LeakIgnored),
    ("cell in a scanned cell, shaded", Twin::GreyNeedsNothing),
    ("cell in a scanned cell, unseen", Twin::ClaimsKept),
    ("cell, straggler alone", Twin::AloneForGood),
    ("cell, overwritten when read", Twin::SharedNeedsNothing),
];

#[test]
fn answers_publish_what_was_written() {
    hold(rewriting());
}

#[test]
fn writers_and_markers_stay_apart() {
    hold(replacing());
}

#[test]
fn a_cell_in_a_cell_is_scanned_with_it() {
    hold(nesting());
}

#[test]
fn what_is_set_aside_late_is_found() {
    hold(setting_aside());
}

#[test]
fn grey_writers_lose_nothing() {
    hold(straggler::grey());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}

#[test]
fn grey_twins() {
    are_caught(&models(), GREY_TWINS);
}
