use std::rc::Rc;

use tricolor_gc::Trace;

trait Local {}

struct AtHome(Rc<u8>, &'static dyn Local);

struct __SendProbe<T>(T);

// In the definition the item answers for the struct above; beside the derive's items, for the derive's.
#[derive(Trace)]
struct Node {
    #[trace(skip)]
    data: AtHome,
    code: fn([u8; { impl __SendProbe<AtHome> { const IS_SEND: bool = true; } 0 }]),
}

fn main() {
    let _ = __SendProbe(1);
}
