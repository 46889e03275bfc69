//! The list of weak boxes, and its clearing.
//!
//! *Old boxes.* A minor cycle keeps what is old (`cycle::minor`): a box that is old, and whose target is, will be neither forgotten nor cleared
//! by it, whatever the program does. So such boxes are on a part of the list that only full cycles go through. A box whose target, or
//! that itself, was allocated black beside the last cycle is not old; it may be garbage for the next one.

use core::mem;

use super::WeakBox;
use crate::heap::layout::mark_address;
use crate::heap::prefetch;
use crate::heap::span::{Epoch, Found, mark_of};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::twin::{self, Twin};
use crate::sync::{Mutex, MutexGuard, Rank};

/// Weak boxes that are copied rather than kept as a list of their own.
const SHORT: usize = 256;

/// How many boxes ahead their targets' marks are loaded; the boxes twice as far.
const AHEAD: usize = 16;

/// Lists as they came: a long one is not to be copied by somebody who is waited for.
#[derive(Default)]
struct Boxes {
    new: Vec<Vec<usize>>,
    /// See the module header.
    old: Vec<Vec<usize>>,
}

/// All weak boxes of a heap.
pub(crate) struct WeakList {
    /// Held for the step from Marking to Terminating and for upgrades of unmarked objects.
    transition: Mutex<()>,
    boxes: Mutex<Boxes>,
    pub(crate) rounds: super::rounds::Rounds,
}

impl Default for WeakList {
    fn default() -> Self {
        WeakList {
            transition: Mutex::ranked(Rank::Transition, ()),
            boxes: Mutex::ranked(Rank::WeakBoxes, Boxes::default()),
            rounds: super::rounds::Rounds::default(),
        }
    }
}

impl WeakList {
    /// See the header of [`weak`](super).
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.transition.lock()
    }

    /// New boxes.
    pub(crate) fn add(&self, boxes: &mut Vec<usize>) {
        let new = mem::take(boxes);
        let mut all = self.boxes.lock();
        match all.new.last_mut() {
            Some(last) if new.len() <= SHORT => last.extend(new),
            _ => all.new.push(new),
        }
    }

    /// Marking is over: clears the boxes of dead targets and forgets dead boxes. How many were cleared. Linear in the
    /// number of weak boxes, in a minor cycle of those that are not old, and no mutator waits for it.
    pub(crate) fn clear(&self, found: Found, minor: bool) -> u64 {
        let mut lists = {
            let mut all = self.boxes.lock();
            let mut lists = mem::take(&mut all.new);
            if !minor && !twin::is(Twin::OldBoxesPassedOver) {
                lists.append(&mut all.old);
            }
            lists
        };
        let mut old = Vec::new();
        let cleared = lists
            .iter_mut()
            .map(|list| look_through(list, found, &mut old));
        let cleared = cleared.sum();
        let boxes = lists.concat();
        let mut all = self.boxes.lock();
        if twin::is(Twin::NewWeakDropped) {
            all.new.clear();
        }
        all.new.insert(0, boxes);
        if !old.is_empty() {
            all.old.push(old);
        }
        cleared
    }

    /// Calls `f` with the addresses of boxes that minor cycles pass over, and of their targets.
    pub(crate) fn each_old(&self, mut f: impl FnMut(usize, usize)) {
        for &address in self.boxes.lock().old.iter().flatten() {
            // Relaxed: nobody writes it but the clearing, which comes before this.
            f(address, target_in(address));
        }
    }

    /// The targets of all boxes on the list. For the verifier.
    pub(crate) fn each_target(&self, f: impl FnMut(usize)) {
        let all = self.boxes.lock();
        let boxes = all.new.iter().chain(&all.old).flatten();
        // Relaxed: as in `each_old`.
        boxes.map(|&address| target_in(address)).for_each(f);
    }
}

/// What is in the box at `address`, which is on the list, goes to `f`.
fn with_target<R>(address: usize, f: impl FnOnce(&AtomicUsize) -> R) -> R {
    let pointer = core::ptr::with_exposed_provenance::<WeakBox>(address);
    // SAFETY: boxes on the list are objects in slots that are not free (I1), which the next sweep starts after (I6). It was initialised before
    // it was put on the list (I13), and is used through `&` only (I1).
    let weak = unsafe { &*pointer };
    f(&weak.address)
}

/// The address of the target.
fn target_in(address: usize) -> usize {
    // Relaxed: set before the box was put on the list, under whose lock it was found.
    with_target(address, |target| target.load(Ordering::Relaxed))
}

/// The mark of a box on the list, or of the target of one that is marked.
fn mark_at(address: usize) -> Epoch {
    // SAFETY: boxes on the list, and what their addresses say, are objects in slots that are not free (I1), so their chunks are mapped
    // (I12); the next sweep starts after this (I6).
    let mark = unsafe { mark_of(address) };
    // Relaxed: the worklist's lock, or that of an upgrade, has ordered all marks before the end of marking; what was made black was so
    // before its box was put on the list.
    mark.load(Ordering::Relaxed)
}

/// Clears the boxes of a list; leaves those that live and are not old, which go to `old`. How many were cleared.
fn look_through(boxes: &mut Vec<usize>, found: Found, old: &mut Vec<usize>) -> u64 {
    let (mut kept, mut cleared) = (0, 0);
    for index in 0..boxes.len() {
        if let Some(&far) = boxes.get(index + 2 * AHEAD) {
            prefetch::to_read(far);
            prefetch::to_read(mark_address(far));
        }
        if let Some(&near) = boxes.get(index + AHEAD) {
            prefetch::to_read(mark_address(target_in(near)));
        }
        let address = boxes[index];
        let mark = mark_at(address);
        if !found.has(mark) {
            continue;
        }
        let target = target_in(address);
        let target_mark = mark_at(target);
        if !found.has(target_mark) && !twin::is(Twin::NotCleared) {
            cleared += 1;
            // Relaxed: who reads 0 looks no further. Who must not read the address any more has adopted *off*, published after this.
            with_target(address, |target| target.store(0, Ordering::Relaxed));
        } else if found.has(target_mark) {
            let both = [mark, target_mark];
            let is_old = both.iter().all(|&mark| mark == found.epoch);
            if is_old || twin::is(Twin::FreshBoxesPassedOver) {
                old.push(address);
            } else {
                boxes[kept] = address;
                kept += 1;
            }
        }
    }
    boxes.truncate(kept);
    cleared
}

#[cfg(test)]
mod tests {
    use crate::cycle::core::Phase;
    use crate::{Barrier, Gc, GcSlot, GcWeak, Heap, Mutator, Root, Rootable, Trace};

    const BARRIERS: [Barrier; 4] = [
        Barrier::Insertion,
        Barrier::Deletion,
        Barrier::Hybrid,
        Barrier::StopTheWorld,
    ];

    #[derive(Trace)]
    #[trace(crate = crate)]
    struct Pair<'gc> {
        strong: GcSlot<Option<Gc<'gc, [u64; 2]>>>,
        weak: GcWeak<'gc, [u64; 2]>,
    }

    type PairRoot = Root<Rootable![Pair<'_>]>;

    fn pair(mutator: &mut Mutator) -> PairRoot {
        mutator.enter(|mc| {
            let target = Gc::new(mc, [1, 2]);
            let strong = GcSlot::new(Some(target));
            let weak = Gc::downgrade(target, mc);
            Root::new(mc, Gc::new(mc, Pair { strong, weak }))
        })
    }

    /// Runs a minor cycle.
    fn minor(heap: &Heap) {
        let core = heap.core();
        let before = core.status.lock().completed;
        core.request_any_cycle();
        while core.status.lock().completed == before {
            let _ = core.step(1 << 30);
        }
        assert!(core.status.lock().last.minor);
    }

    fn lengths(heap: &Heap) -> (usize, usize) {
        let boxes = heap.core().weak.boxes.lock();
        let length = |lists: &[Vec<usize>]| lists.iter().map(Vec::len).sum();
        (length(&boxes.new), length(&boxes.old))
    }

    #[test]
    fn minor_cycles_pass_over_old_boxes_and_full_ones_do_not() {
        for barrier in BARRIERS {
            let heap = Heap::builder().barrier(barrier).marker_threads(0);
            let heap = heap.build().unwrap();
            let mut mutator = heap.attach();
            let old = pair(&mut mutator);
            mutator.collect();
            assert_eq!(lengths(&heap), (0, 1), "{barrier}");
            let mut visited = Vec::new();
            let core = heap.core();
            core.weak.each_old(|_, target| visited.push(target));
            let target = mutator.enter(|mc| {
                let target = old.get(mc).strong.get().unwrap();
                core::ptr::from_ref(target.as_ref()).addr()
            });
            assert_eq!(visited, [target], "{barrier}: for the verifier");
            let new = pair(&mut mutator);
            for root in [&old, &new] {
                mutator.enter(|mc| root.get(mc).strong.set(mc, None));
            }
            minor(&heap);
            let alive = [&old, &new].map(|root| {
                mutator.enter(|mc| root.get(mc).weak.upgrade(mc).is_some_and(|t| *t == [1, 2]))
            });
            assert_eq!(alive, [true, false], "{barrier}: what is old stays");
            assert_eq!(lengths(&heap), (0, 1), "{barrier}");
            assert_eq!(mutator.collect().weak_cleared, 1, "{barrier}");
            let alive = mutator.enter(|mc| old.get(mc).weak.upgrade(mc).is_some());
            assert!(!alive, "{barrier}");
            assert_eq!(lengths(&heap), (0, 0), "{barrier}");
        }
    }

    /// Made black while a cycle marks: young in the next one.
    #[test]
    fn fresh_boxes_are_not_old() {
        for barrier in [Barrier::Deletion, Barrier::Hybrid] {
            let heap = Heap::builder().barrier(barrier).marker_threads(0);
            let heap = heap.build().unwrap();
            let mut mutator = heap.attach();
            mutator.collect();
            heap.core().request_any_cycle();
            let mut driver = heap.core().driver.lock();
            while heap.core().phase() != Phase::Marking {
                let _ = heap.core().advance(&mut driver, &mut None, 1);
            }
            drop(driver);
            let root = pair(&mut mutator);
            while heap.core().phase() != Phase::Idle {
                let _ = heap.core().step(1 << 30);
            }
            assert_eq!(lengths(&heap), (1, 0), "{barrier}");
            minor(&heap);
            assert_eq!(lengths(&heap), (0, 1), "{barrier}");
            drop(root);
        }
    }
}
