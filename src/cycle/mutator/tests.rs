//! What a mutator is charged for, and asked for.

use crate::Heap;
use crate::cycle::command::Mode;
use crate::cycle::core::Core;
use crate::sync::atomic::Ordering;

#[test]
fn what_a_cache_gives_back_is_charged_once() {
    let heap = Heap::new();
    heap.attach().enter(|mc| {
        let core = mc.state().core();
        let allocated = || core.counters.allocated.load(Ordering::Relaxed);
        let before = allocated();
        mc.state().uncharged.set(100);
        mc.state().release_cache(core);
        mc.state().release_cache(core);
        assert_eq!(allocated(), before + 100);
    });
}

/// It would be Grey for as long as it stays inside, and the driver has seen that it is the only one.
#[test]
fn a_mutator_that_enters_while_the_driver_turns_the_others_asks_the_next_thing_itself() {
    let heap = Heap::builder().marker_threads(0).build().unwrap();
    let (core, mut mutator) = (heap.core(), heap.attach());
    let _ = core.request_new_cycle();
    let _ = core.advance(&mut core.driver.lock(), &mut None, 0);
    assert_eq!(core.command().mode, Mode::Grey);
    // Adopted for it, and it is back before the driver goes on.
    assert!(core.all_answered(core.command_seq()));
    mutator.enter(|mc| assert_eq!(mc.state().mode.get(), Mode::Black));
    let _ = heap.collect();
}

#[test]
fn a_wish_that_comes_after_the_answer_does_not_outlast_the_boundary() {
    let heap = Heap::new();
    let mut mutator = heap.attach();
    mutator.enter(|mc| {
        assert!(!mc.should_yield());
        // As the driver does, when the mutator has answered between its look and its wish.
        Core::ask_to_yield(mc.state());
        assert!(mc.should_yield());
    });
    mutator.enter(|mc| assert!(!mc.should_yield(), "nobody waits for this mutator"));
}
