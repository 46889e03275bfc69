use tricolor_gc::{Arena, Gc, GcCell, Rootable};

fn main() {
    let mut arena = Arena::<Rootable![GcCell<Option<Gc<'_, u8>>>]>::new(|_| GcCell::new(None));
    let _escaped = arena.enter(|_, root| root);
    let mut kept = None;
    arena.enter(|_, root| kept = root.get());
}
