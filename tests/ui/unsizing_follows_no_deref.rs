use std::ops::Deref;

use tricolor_gc::{Gc, Heap, Trace, gc_unsize};

/// Whoever has a reference to one relies on it that it has not been dropped.
struct Token;

/// Its token is at its end, where the next object begins.
#[derive(Trace)]
#[repr(C)]
struct Node<'gc> {
    before: Option<Gc<'gc, Node<'gc>>>,
    room: u64,
    #[trace(skip)]
    token: Token,
}

impl Deref for Node<'_> {
    type Target = Token;

    fn deref(&self) -> &Token {
        &Gc::as_ref(self.before.unwrap()).token
    }
}

fn main() {
    Heap::new().attach().enter(|mc| {
        let node = |before| Gc::new(mc, Node { before, room: 0, token: Token });
        let second = node(Some(node(None)));
        let _of_the_first: Gc<'_, Token> = gc_unsize!(second => Token);
    });
}
