use tricolor_gc::{Gc, GcWeak, Heap};

fn main() {
    let heap = Heap::new();
    let (mut one, mut two) = (heap.attach(), heap.attach());
    one.enter(|mc1| {
        two.enter(|mc2| {
            let weak: GcWeak<'_, u8> = Gc::downgrade(Gc::new(mc1, 1), mc1);
            weak.upgrade(mc2);
        });
    });
}
