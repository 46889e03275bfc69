//! A graph with cycles: it lives while a root holds it, and dies at once when none does.

use tricolor_gc::{Gc, GcRefCell, Heap, Root, Rootable, Trace};

#[derive(Trace)]
struct Person<'gc> {
    name: String,
    friends: GcRefCell<Vec<Gc<'gc, Person<'gc>>>>,
}

fn main() {
    let heap = Heap::new();
    let mut mutator = heap.attach();

    let ada: Root<Rootable![Person<'_>]> = mutator.enter(|mc| {
        let person = |name: &str| {
            let friends = GcRefCell::new(Vec::new());
            Gc::new(
                mc,
                Person {
                    name: name.to_string(),
                    friends,
                },
            )
        };
        let (ada, bob, eve) = (person("Ada"), person("Bob"), person("Eve"));
        ada.friends.borrow_mut(mc).extend([bob, eve]);
        bob.friends.borrow_mut(mc).push(ada);
        eve.friends.borrow_mut(mc).push(eve);
        Root::new(mc, ada)
    });

    println!("Ada is rooted:     {}", mutator.collect());
    mutator.enter(|mc| {
        let names: Vec<_> = ada
            .get(mc)
            .friends
            .borrow()
            .iter()
            .map(|f| f.name.clone())
            .collect();
        println!("Ada's friends:     {}", names.join(", "));
    });
    drop(ada);
    println!("Ada is not rooted: {}", mutator.collect());
    println!("Objects left:      {}", heap.stats().objects_live);
}
