//! Spans that are taken where a cycle ends.

use crate::cycle::command::Mode;
use crate::cycle::core::{Core, Phase};
use crate::heap::layout::PAGE;
use crate::{Gc, Heap};

type Object = [u64; 4];

/// A cycle's barriers are off, and its sweep has not begun.
fn up_to_the_sweep(core: &Core) {
    let _ = core.request_new_cycle();
    let mut driver = core.driver.lock();
    let before =
        |core: &Core| core.phase() == Phase::Terminating && core.command().mode == Mode::Off;
    while !before(core) {
        let _ = core.advance(&mut driver, &mut None, 1 << 20);
    }
}

fn finish(core: &Core) {
    let mut driver = core.driver.lock();
    while core.phase() != Phase::Idle {
        let _ = core.advance(&mut driver, &mut None, 1 << 20);
    }
}

/// Somebody may be slow to take his barrier off.
#[test]
fn mutators_that_come_and_go_before_the_sweep_use_one_span() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let core = heap.core();
    up_to_the_sweep(core);
    let task = || {
        let _driver = core.driver.lock();
        heap.attach().enter(|mc| {
            Gc::new(mc, Object::default());
        });
    };
    task();
    let before = core.space.in_use();
    (0..100).for_each(|_| task());
    assert_eq!(core.space.in_use(), before);
    finish(core);
}

/// Or it would miss two sweeps, and there are two fresh colours.
#[test]
fn a_span_that_missed_a_sweep_is_not_taken_before_the_next() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let core = heap.core();
    let mut mutator = heap.attach();
    let mut page = || {
        let _driver = core.driver.lock();
        mutator.enter(|mc| Gc::address(Gc::new(mc, Object::default())) / PAGE)
    };
    up_to_the_sweep(core);
    let first = page();
    finish(core);
    up_to_the_sweep(core);
    assert_ne!(page(), first);
    finish(core);
}
