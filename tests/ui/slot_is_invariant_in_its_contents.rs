use tricolor_gc::{Gc, GcSlot};

type Slot<'gc, T> = GcSlot<Gc<'gc, T>>;

fn shrink<'a, 'gc>(slot: &'a Slot<'gc, fn(&'gc u64)>) -> &'a Slot<'gc, fn(&'static u64)> {
    slot
}

fn grow<'a, 'gc>(slot: &'a Slot<'gc, fn(&'static u64)>) -> &'a Slot<'gc, fn(&'gc u64)> {
    slot
}

fn main() {}
