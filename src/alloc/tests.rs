//! Spans that are taken where a cycle ends, and while it sweeps.

use std::time::Duration;

use super::refill::SWEPT_PER_REFILL;
use crate::cycle::command::Mode;
use crate::cycle::core::{Core, Phase};
use crate::heap::layout::PAGE;
use crate::sync::atomic::Ordering;
use crate::{Gc, Heap, Mutator, Root, Rootable};

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

/// What is to be swept comes before what is swept where destructors are dear, and new spans come last.
#[test]
fn who_may_sweep_no_more_takes_what_is_swept() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    /// One function, with one address of the type's information: one class.
    #[inline(never)]
    fn make(mutator: &mut Mutator) -> Root<Rootable![Vec<u64>]> {
        mutator.enter(|mc| Root::new(mc, Gc::new(mc, Vec::new())))
    }
    let _kept: Vec<_> = (0..20 * PAGE / size_of::<Vec<u64>>())
        .map(|_| make(&mut mutator))
        .collect();
    let _ = core.request_new_cycle();
    let (mut driver, mut marker) = (core.driver.lock(), None);
    while core.phase() != Phase::Sweeping {
        let _ = core.advance(&mut driver, &mut marker, 1 << 20);
    }
    let classes = core.space.classes.lock().all().to_vec();
    let class = classes.iter().find(|class| class.drops_here()).unwrap();
    class.drop_time.note(100, Duration::from_millis(1));
    let mut spans = Vec::new();
    core.space.new_spans(class, 0, 1, &mut spans).unwrap();
    class.put_all(&mut spans);
    // The last that this mutator had may have room, and is swept first: it should not be what is found.
    let mut lists = class.lists.lock();
    let roomy = lists.unswept.extract_if(.., |span| span.free() > 0);
    let roomy: Vec<_> = roomy.collect();
    lists.unswept.splice(0..0, roomy);
    drop(lists);
    let pending = || core.counters.swept.pending.load(Ordering::Relaxed);
    let before = (core.space.in_use(), pending());
    let _last = make(&mut mutator);
    let after = (core.space.in_use(), pending() + SWEPT_PER_REFILL);
    assert_eq!(after, before);
    while core.phase() != Phase::Idle {
        let _ = core.advance(&mut driver, &mut marker, 1 << 20);
    }
}
