use tricolor_gc::{GcWeak};

fn shrink<'long: 'short, 'short>(value: GcWeak<'long, u8>) -> GcWeak<'short, u8> {
    value
}

fn grow<'long: 'short, 'short>(value: GcWeak<'short, u8>) -> GcWeak<'long, u8> {
    value
}

fn main() {}
