use tricolor_gc::{Gc, GcCell, GcRefCell, GcSlot, Heap};

fn main() {
    let (mut one, mut two) = (Heap::new().attach(), Heap::new().attach());
    one.enter(|mc1| {
        two.enter(|mc2| {
            let slot = Gc::new(mc2, GcSlot::new(None));
            slot.set(mc2, Some(Gc::new(mc1, 1)));
        });
    });
    one.enter(|mc1| {
        two.enter(|mc2| {
            let cell = Gc::new(mc1, GcCell::new(Gc::new(mc1, 1)));
            cell.set(mc2, Gc::new(mc1, 2));
        });
    });
    one.enter(|mc1| {
        two.enter(|mc2| {
            let list = Gc::new(mc1, GcRefCell::new(vec![Gc::new(mc1, 1)]));
            list.borrow_mut(mc2).clear();
        });
    });
}
