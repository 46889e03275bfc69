use tricolor_gc::{Gc, Heap};

async fn other() {}

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let object = Gc::new(mc, 1);
        let future = async move {
            other().await;
            *object
        };
        Gc::new(mc, future);
    });
}
