//! A graph whose edges are redirected at random; every tenth operation replaces a node instead.

use peers_common::{Random, mix};
use tricolor_gc::{Gc, GcSlot, Heap, Root, Rootable, Trace};

type Edge<'gc> = GcSlot<Option<Gc<'gc, Node<'gc>>>>;

#[derive(Trace)]
struct Node<'gc> {
    id: u64,
    edges: [Edge<'gc>; 4],
}

type Nodes = Rootable!['gc => [GcSlot<Gc<'gc, Node<'gc>>>]];

pub fn rewiring(heap: &Heap, nodes: u64, stores: u64) -> u64 {
    let mut mutator = heap.attach();
    let table: Root<Nodes> = mutator.enter(|mc| {
        let table = Gc::slice_from_fn(mc, nodes as usize, |id| {
            let edges = std::array::from_fn(|_| GcSlot::new(None));
            GcSlot::new(Gc::new(
                mc,
                Node {
                    id: id as u64,
                    edges,
                },
            ))
        });
        Root::new(mc, table)
    });
    let mut random = Random::new();
    let mut done = 0;
    while done < stores {
        mutator.enter(|mc| {
            let table = table.get(mc);
            while done < stores && !mc.should_yield() {
                let from = &table[random.below(nodes) as usize];
                if done % 10 == 9 {
                    let old = from.get();
                    let edges = std::array::from_fn(|i| GcSlot::new(old.edges[i].get()));
                    from.set(
                        mc,
                        Gc::new(
                            mc,
                            Node {
                                id: old.id + nodes,
                                edges,
                            },
                        ),
                    );
                } else {
                    let to = table[random.below(nodes) as usize].get();
                    from.get().edges[(done & 3) as usize].set(mc, Some(to));
                }
                done += 1;
            }
        });
    }
    mutator.enter(|mc| {
        table.get(mc).iter().fold(0, |sum, node| {
            let node = node.get();
            let targets = node.edges.iter().filter_map(GcSlot::get);
            mix(
                sum,
                targets.fold(node.id, |sum, target| sum.wrapping_add(target.id)),
            )
        })
    })
}
