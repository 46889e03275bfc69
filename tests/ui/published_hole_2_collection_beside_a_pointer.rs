// oscars' `mark_sweep_branded`: the context inside `mutate` collects, and frees what only the stack holds.

use tricolor_gc::{Gc, Heap};

fn main() {
    let mut mutator = Heap::new().attach();
    mutator.enter(|mc| {
        let unrooted = Gc::new(mc, String::from("canary"));
        mc.collect();
        println!("{}", *unrooted);
    });
}
