use tricolor_gc::{Gc};

fn shrink<'long: 'short, 'short>(value: Gc<'long, u8>) -> Gc<'short, u8> {
    value
}

fn grow<'long: 'short, 'short>(value: Gc<'short, u8>) -> Gc<'long, u8> {
    value
}

fn main() {}
