use tricolor_gc::{GcRwLockWriteGuard};

fn shrink<'long: 'short, 'short, 'a>(value: GcRwLockWriteGuard<'a, 'long, u8>) -> GcRwLockWriteGuard<'a, 'short, u8> {
    value
}

fn grow<'long: 'short, 'short, 'a>(value: GcRwLockWriteGuard<'a, 'short, u8>) -> GcRwLockWriteGuard<'a, 'long, u8> {
    value
}

fn main() {}
