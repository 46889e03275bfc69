use tricolor_gc::{Gc, GcRefCell, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let mut number = Gc::new(mc, 1);
        *number = 2;
        let mut cell = Gc::new(mc, GcRefCell::new(vec![number]));
        cell.get_mut().clear();
        cell.into_inner();
    });
}
