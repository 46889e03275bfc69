use tricolor_gc::{GcMutexGuard};

fn shrink<'long: 'short, 'short, 'a>(value: GcMutexGuard<'a, 'long, u8>) -> GcMutexGuard<'a, 'short, u8> {
    value
}

fn grow<'long: 'short, 'short, 'a>(value: GcMutexGuard<'a, 'short, u8>) -> GcMutexGuard<'a, 'long, u8> {
    value
}

fn main() {}
