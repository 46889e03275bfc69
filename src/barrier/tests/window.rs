//! Cells of one thread in the window in which Hybrid arms: the module header of `barrier` says why those need no barrier as long as
//! nobody is Black.

use std::sync::Arc;
use std::sync::mpsc::channel;

use crate::cycle::command::Mode;
use crate::cycle::core::Phase;
use crate::{Gc, GcMutex, GcRefCell, GcSlot, Heap, Root, Rootable, Trace};

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
