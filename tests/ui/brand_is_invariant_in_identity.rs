use tricolor_gc::{ByIdentity};

fn shrink<'long: 'short, 'short>(value: ByIdentity<'long, u8>) -> ByIdentity<'short, u8> {
    value
}

fn grow<'long: 'short, 'short>(value: ByIdentity<'short, u8>) -> ByIdentity<'long, u8> {
    value
}

fn main() {}
