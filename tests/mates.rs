//! Several mutators of one heap on one thread: a boundary is one of the thread.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Drops, heaps};
use tricolor_gc::Gc;

/// Far more than ten cycles take; only to end the test when they never do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mutator that is never used must not keep the cycle from those of its thread that are.
#[test]
fn a_parked_mutator_does_not_hold_cycles_up() {
    for heap in heaps() {
        let (done, drops, began) = (AtomicBool::new(false), Drops::new(), Instant::now());
        std::thread::scope(|scope| {
            let mut busy = heap.attach();
            let _parked = heap.attach();
            busy.enter(|mc| {
                Gc::new(mc, drops.token());
            });
            scope.spawn(|| {
                for _ in 0..10 {
                    heap.collect();
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                busy.enter(|mc| {
                    while !mc.should_yield() && !done.load(Ordering::Relaxed) {
                        assert!(began.elapsed() < PATIENCE, "{}", heap.barrier());
                        std::hint::black_box(Gc::new(mc, 1u64));
                    }
                });
            }
        });
        assert_eq!(drops.count(), 1);
    }
}
