use tricolor_gc::{Tracer};

fn shrink<'long: 'short, 'short, 'a>(value: &'a mut Tracer<'long>) -> &'a mut Tracer<'short> {
    value
}

fn grow<'long: 'short, 'short, 'a>(value: &'a mut Tracer<'short>) -> &'a mut Tracer<'long> {
    value
}

fn main() {}
