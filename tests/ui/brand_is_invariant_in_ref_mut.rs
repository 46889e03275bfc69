use tricolor_gc::{GcRefMut};

fn shrink<'long: 'short, 'short, 'a>(value: GcRefMut<'a, 'long, u8>) -> GcRefMut<'a, 'short, u8> {
    value
}

fn grow<'long: 'short, 'short, 'a>(value: GcRefMut<'a, 'short, u8>) -> GcRefMut<'a, 'long, u8> {
    value
}

fn main() {}
