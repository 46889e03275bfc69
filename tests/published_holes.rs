//! Four holes that published collectors had, tried here. What the compiler refuses is in `tests/ui/published_hole_*.rs`; this is
//! what is left of them at run time.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::quiet_heap;
use tricolor_gc::{Barrier, Gc, GcRefCell, Root, Rootable};

const ALL: [Barrier; 4] = [
    Barrier::Hybrid,
    Barrier::Deletion,
    Barrier::Insertion,
    Barrier::StopTheWorld,
];

/// The second: a collection while the stack holds the only pointer. By way of another mutator the compiler cannot see it.
#[test]
fn no_collection_runs_beside_a_pointer_on_the_stack() {
    for barrier in ALL {
        let heap = quiet_heap(barrier);
        let (mut inside, mut other) = (heap.attach(), heap.attach());
        inside.enter(|mc| {
            let unrooted = Gc::new(mc, String::from("canary"));
            let collected = catch_unwind(AssertUnwindSafe(|| other.collect()));
            assert!(
                collected.is_err(),
                "{barrier:?}: it must say that it cannot"
            );
            assert_eq!(*unrooted, "canary");
        });
        assert_eq!(other.collect().objects_freed, 1, "{barrier:?}");
    }
}

/// The fourth, gc-arena 0.7.0: after a leaked `RefMut` every collection panicked.
#[test]
fn collections_go_on_after_a_leaked_guard() {
    type Names = Rootable!['gc => GcRefCell<Vec<Gc<'gc, String>>>];
    for barrier in ALL {
        let mut mutator = quiet_heap(barrier).attach();
        let root: Root<Names> = mutator.enter(|mc| {
            let first = Gc::new(mc, String::from("first"));
            Root::new(mc, Gc::new(mc, GcRefCell::new(vec![first])))
        });
        mutator.enter(|mc| {
            let root = root.get(mc);
            let mut guard = root.borrow_mut(mc);
            guard.push(Gc::new(mc, String::from("second")));
            std::mem::forget(guard);
            Gc::new(mc, String::from("garbage"));
        });
        let freed: u64 = (0..3).map(|_| mutator.collect().objects_freed).sum();
        assert_eq!(freed, 1, "{barrier:?}: the garbage, and neither child");
        drop(root);
        assert_eq!(mutator.collect().objects_freed, 3, "{barrier:?}");
    }
}
