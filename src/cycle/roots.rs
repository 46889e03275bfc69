//! Roots on their way into a cycle: a few segments of the table at a time, so that no step takes long where there are many.
//!
//! Marking is not over before all are in (`mark_stage`). A root that is made meanwhile is shaded by its maker, and one that is dropped stays
//! until marking is over, so it does not matter when the scan comes to a segment. Segments that are added meanwhile have such roots only.

use super::core::Core;
use super::driver::Driver;
use crate::heap::layout::ROOT_SEGMENTS;
use crate::mark::worklist::BLOCK;

/// As much work as the marking of so many bytes: a look at a slot of the root table.
const LOOK: usize = 16;

impl Core {
    /// Puts objects of roots in the worklist: of the next segments that this cycle has not scanned. In a minor cycle those of new roots.
    pub(super) fn push_some_roots(&self, d: &mut Driver) {
        let Some(from) = d.roots_unseen else { return };
        let to = from + ROOT_SEGMENTS;
        let mut block = Vec::new();
        let found = self
            .roots
            .scan_for_cycle(from..to, d.cycle.minor, |object| {
                block.push(object);
                if block.len() == BLOCK {
                    self.worklist.push(&mut block);
                }
            });
        self.worklist.push(&mut block);
        if from == 0 {
            d.generation.roots = 0;
        }
        d.generation.roots += found.roots;
        d.work += (found.slots * LOOK) as u64;
        d.roots_unseen = found.more.then_some(to);
    }

    /// The same of all.
    pub(super) fn push_all_roots(&self, d: &mut Driver) {
        d.roots_unseen = Some(0);
        while d.roots_unseen.is_some() {
            self.push_some_roots(d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LOOK, ROOT_SEGMENTS};
    use crate::cycle::core::Phase;
    use crate::cycle::driver::Advance;
    use crate::heap::layout::ROOT_SLOTS;
    use crate::mark::worklist::Take;
    use crate::sync::atomic::Ordering;
    use crate::{Barrier, Gc, Heap, Mutator, Root, Rootable};

    const MANY: usize = 20 * ROOT_SEGMENTS * ROOT_SLOTS;
    const BARRIERS: [Barrier; 4] = [
        Barrier::Insertion,
        Barrier::Deletion,
        Barrier::Hybrid,
        Barrier::StopTheWorld,
    ];

    /// Not so small that several lie in a slot.
    type Object = [u64; 2];
    type Roots = Vec<Root<Rootable![Object]>>;

    fn many_roots(mutator: &mut Mutator) -> Roots {
        let root = |number| mutator.enter(|mc| Root::new(mc, Gc::new(mc, [number; 2])));
        (0..MANY as u64).map(root).collect()
    }

    /// Drives the cycle that is wanted until it marks.
    fn marks(heap: &Heap) {
        while heap.core().phase() != Phase::Marking {
            let _ = heap.core().step(1);
        }
    }

    #[test]
    fn marking_is_not_over_before_all_roots_have_been_scanned() {
        for barrier in BARRIERS {
            let heap = Heap::builder().barrier(barrier).marker_threads(0);
            let heap = heap.build().unwrap();
            let mut mutator = heap.attach();
            let roots = many_roots(&mut mutator);
            for (minor, freed) in [(false, 0), (true, 1), (false, 0)] {
                mutator.enter(|mc| {
                    let _garbage = Gc::new(mc, [0_u64; 2]);
                });
                if minor {
                    heap.core().request_any_cycle();
                    while heap.core().is_cycle_wanted() || heap.core().phase() != Phase::Idle {
                        let _ = heap.core().step(1000);
                    }
                    let last = heap.core().status.lock().last.clone();
                    assert!(last.minor, "{barrier}");
                    assert_eq!(last.objects_freed, freed, "{barrier}");
                } else {
                    assert_eq!(mutator.collect().objects_marked, MANY as u64, "{barrier}");
                }
            }
            drop(roots);
            assert_eq!(mutator.collect().objects_freed, MANY as u64, "{barrier}");
        }
    }

    /// Some of them are new no more then, and their objects are young.
    #[test]
    fn a_cycle_that_is_abandoned_among_its_roots_loses_none() {
        for barrier in &BARRIERS[..3] {
            let heap = Heap::builder().barrier(*barrier).marker_threads(0);
            let heap = heap.build().unwrap();
            let (core, mut mutator) = (heap.core(), heap.attach());
            mutator.collect();
            let roots = many_roots(&mut mutator);
            core.request_any_cycle();
            let (mut driver, mut marker) = (core.driver.lock(), None);
            while !matches!(driver.roots_unseen, Some(1..)) {
                let _ = core.advance(&mut driver, &mut marker, 1);
            }
            assert!(driver.cycle.minor, "{barrier}");
            core.abandon_cycle(None);
            while core.advance(&mut driver, &mut marker, 1 << 20) != Advance::Idle {}
            assert!(core.status.lock().last.abandoned, "{barrier}");
            core.request_any_cycle();
            while core.advance(&mut driver, &mut marker, 1 << 20) != Advance::Idle {}
            let last = core.status.lock().last.clone();
            assert!(!last.minor && !last.abandoned, "{barrier}");
            assert_eq!(last.objects_live, MANY as u64, "{barrier}");
            drop((driver, roots));
        }
    }

    /// However many roots there are.
    #[test]
    fn a_step_scans_a_few_roots() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let roots = many_roots(&mut heap.attach());
        heap.core().request_cycle();
        marks(&heap);
        let mut driver = heap.core().driver.lock();
        let before = (driver.generation.roots, driver.work);
        heap.core().push_some_roots(&mut driver);
        let seen = driver.generation.roots - before.0;
        let work = driver.work - before.1;
        assert!(seen > 0 && seen <= ROOT_SEGMENTS * ROOT_SLOTS, "{seen}");
        assert!(work >= (seen * LOOK) as u64);
        assert!(driver.roots_unseen.is_some());
        drop((driver, roots));
    }

    /// A table that was large is looked through as a large one is.
    #[test]
    fn looks_at_free_slots_are_work() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        drop(many_roots(&mut heap.attach()));
        heap.core().request_cycle();
        marks(&heap);
        let mut driver = heap.core().driver.lock();
        let before = (driver.generation.roots, driver.work);
        heap.core().push_some_roots(&mut driver);
        assert_eq!(driver.generation.roots, before.0);
        let looks = (ROOT_SEGMENTS * ROOT_SLOTS) as u64;
        assert_eq!(driver.work - before.1, looks * LOOK as u64);
    }

    /// A mutator past the goal marks for a moment only, though none of the edges that it takes leads to anything new.
    #[test]
    fn edges_to_what_is_marked_are_work() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let mut mutator = heap.attach();
        let root: Root<Rootable![u64]> = mutator.enter(|mc| Root::new(mc, Gc::new(mc, 1)));
        mutator.collect();
        heap.core().request_any_cycle();
        marks(&heap);
        let old = mutator.enter(|mc| Gc::address(root.get(mc)));
        let list = &heap.core().worklist;
        (0..100).for_each(|_| list.push(&mut vec![old; 512]));
        let before = heap.core().counters.objects_marked.load(Ordering::Relaxed);
        assert!(heap.core().assist_at_boundary() > 0);
        let marked = heap.core().counters.objects_marked.load(Ordering::Relaxed);
        assert_eq!(marked, before);
        let left = core::iter::from_fn(|| match list.take(true) {
            Take::Block(block) => Some(block.len()),
            _ => None,
        });
        let left = left.sum::<usize>();
        assert!(left > 50 * 512, "{left} edges are left");
    }

    /// What a mutator takes from the list and gives back does not count as its part of the marking.
    #[test]
    fn edges_that_nobody_has_followed_are_no_work() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let (core, mut mutator) = (heap.core(), heap.attach());
        let root = |mutator: &mut Mutator| mutator.enter(|mc| Root::new(mc, Gc::new(mc, [0; 128])));
        let roots: Vec<Root<Rootable![[u64; 128]]>> =
            (0..400).map(|_| root(&mut mutator)).collect();
        core.request_cycle();
        marks(&heap);
        core.push_some_roots(&mut core.driver.lock());
        let work = core.assist_at_boundary();
        let marked = core.counters.bytes_assisted.load(Ordering::Relaxed);
        assert!(marked > 0 && marked < 200 << 10, "{marked} bytes");
        assert!(work < marked + (4 << 10), "{work} for {marked} bytes");
        drop(roots);
    }
}
