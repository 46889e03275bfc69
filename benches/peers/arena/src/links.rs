//! Queue churn, graph rewiring, rings.

use gc_arena::{Arena, Collect, Gc, Lock, Mutation, RefLock, Rootable};
use peers_common::{Random, mix};

use crate::SLICE;

#[derive(Collect)]
#[collect(no_drop)]
struct Item<'gc> {
    value: u64,
    next: Option<ItemPtr<'gc>>,
}

type ItemPtr<'gc> = Gc<'gc, RefLock<Item<'gc>>>;

fn item<'gc>(mc: &Mutation<'gc>, value: u64) -> ItemPtr<'gc> {
    Gc::new(mc, RefLock::new(Item { value, next: None }))
}

pub fn churn(live: u64, operations: u64) -> u64 {
    let mut arena = Arena::<Rootable![(ItemPtr<'_>, ItemPtr<'_>)]>::new(|mc| {
        let first = item(mc, 0);
        (first, first)
    });
    let (mut value, mut sum) = (1, 0);
    while value < live + operations {
        let end = (live + operations).min(value + SLICE);
        arena.mutate_root(|mc, (oldest, newest)| {
            for value in value..end {
                let last = item(mc, value);
                newest.borrow_mut(mc).next = Some(last);
                *newest = last;
                if value >= live {
                    sum += oldest.borrow().value;
                    let next = oldest.borrow().next.expect("the queue is not empty");
                    *oldest = next;
                }
            }
        });
        value = end;
        arena.collect_debt();
    }
    peers_common::print_and_exit(sum)
}

#[derive(Collect)]
#[collect(no_drop)]
struct Vertex<'gc> {
    id: u64,
    edges: Lock<[Option<Gc<'gc, Vertex<'gc>>>; 4]>,
}

type Table<'gc> = Gc<'gc, RefLock<Vec<Gc<'gc, Vertex<'gc>>>>>;

pub fn rewiring(nodes: u64, stores: u64) -> u64 {
    let mut arena = Arena::<Rootable![Table<'_>]>::new(|mc| {
        let node = |id| {
            Gc::new(
                mc,
                Vertex {
                    id,
                    edges: Lock::new([None; 4]),
                },
            )
        };
        Gc::new(mc, RefLock::new((0..nodes).map(node).collect()))
    });
    let mut random = Random::new();
    let mut done = 0;
    while done < stores {
        let end = stores.min(done + SLICE);
        arena.mutate(|mc, table| {
            for done in done..end {
                let place = random.below(nodes) as usize;
                let from = table.borrow()[place];
                if done % 10 == 9 {
                    let edges = Lock::new(from.edges.get());
                    let vertex = Gc::new(
                        mc,
                        Vertex {
                            id: from.id + nodes,
                            edges,
                        },
                    );
                    table.borrow_mut(mc)[place] = vertex;
                } else {
                    let to = table.borrow()[random.below(nodes) as usize];
                    let mut edges = from.edges.get();
                    edges[(done & 3) as usize] = Some(to);
                    gc_arena::barrier::unlock!(Gc::write(mc, from), Vertex, edges).set(edges);
                }
            }
        });
        done = end;
        arena.collect_debt();
    }
    let checksum = arena.mutate(|_, table| {
        table.borrow().iter().fold(0, |sum, vertex| {
            let edges = vertex.edges.get();
            let ids = edges.iter().map(|edge| edge.map_or(0, |to| to.id));
            mix(sum, ids.fold(vertex.id, u64::wrapping_add))
        })
    });
    peers_common::print_and_exit(checksum)
}

#[derive(Collect)]
#[collect(no_drop)]
struct Bead<'gc> {
    value: u64,
    next: Option<BeadPtr<'gc>>,
    previous: Option<BeadPtr<'gc>>,
}

type BeadPtr<'gc> = Gc<'gc, RefLock<Bead<'gc>>>;

fn bead<'gc>(mc: &Mutation<'gc>, value: u64, previous: Option<BeadPtr<'gc>>) -> BeadPtr<'gc> {
    Gc::new(
        mc,
        RefLock::new(Bead {
            value,
            next: None,
            previous,
        }),
    )
}

fn ring<'gc>(mc: &Mutation<'gc>, length: u64, value: u64) -> BeadPtr<'gc> {
    let first = bead(mc, value, None);
    let mut last = first;
    for i in 1..length {
        let next = bead(mc, value + i, Some(last));
        last.borrow_mut(mc).next = Some(next);
        last = next;
    }
    last.borrow_mut(mc).next = Some(first);
    first.borrow_mut(mc).previous = Some(last);
    first
}

fn walk(first: BeadPtr<'_>) -> u64 {
    let (mut sum, mut bead) = (0, first);
    loop {
        sum += bead.borrow().value;
        let next = bead.borrow().next.expect("a ring has no end");
        bead = next;
        if Gc::ptr_eq(bead, first) {
            return sum;
        }
    }
}

pub fn rings(rings: u64, length: u64) -> u64 {
    let mut arena = Arena::<Rootable![()]>::new(|_| ());
    let (mut done, mut sum) = (0, 0);
    while done < rings {
        let end = rings.min(done + (SLICE / length).max(1));
        sum += arena.mutate(|mc, ()| {
            (done..end)
                .map(|value| walk(ring(mc, length, value)))
                .sum::<u64>()
        });
        done = end;
        arena.collect_debt();
    }
    sum
}
