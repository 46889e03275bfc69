use tricolor_gc::{Gc, GcSlot};

fn shrink<'long: 'short, 'short, 'a>(value: &'a GcSlot<Option<Gc<'long, u8>>>) -> &'a GcSlot<Option<Gc<'short, u8>>> {
    value
}

fn grow<'long: 'short, 'short, 'a>(value: &'a GcSlot<Option<Gc<'short, u8>>>) -> &'a GcSlot<Option<Gc<'long, u8>>> {
    value
}

fn main() {}
