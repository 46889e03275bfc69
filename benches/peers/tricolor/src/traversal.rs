//! A tree that is built once and walked many times.

use tricolor_gc::{Gc, Heap, Mutation, Root, Rootable, Trace};

#[derive(Trace)]
struct Tree<'gc> {
    left: Option<Gc<'gc, Tree<'gc>>>,
    right: Option<Gc<'gc, Tree<'gc>>>,
    value: u64,
    depth: u64,
}

fn build<'gc>(mc: &Mutation<'gc>, depth: u32, next: &mut u64) -> Gc<'gc, Tree<'gc>> {
    let mut child = || (depth > 0).then(|| build(mc, depth - 1, next));
    let (left, right) = (child(), child());
    let value = *next;
    *next += 1;
    Gc::new(
        mc,
        Tree {
            left,
            right,
            value,
            depth: u64::from(depth),
        },
    )
}

fn sum(tree: &Tree<'_>) -> u64 {
    let child = |child: Option<Gc<'_, Tree<'_>>>| child.map_or(0, |tree| sum(&tree));
    (tree.value ^ tree.depth)
        .wrapping_add(child(tree.left))
        .wrapping_add(child(tree.right))
}

pub fn traversal(heap: &Heap, depth: u32, rounds: u64) -> u64 {
    let mut mutator = heap.attach();
    let root: Root<Rootable![Tree<'_>]> =
        mutator.enter(|mc| Root::new(mc, build(mc, depth, &mut 0)));
    (0..rounds).fold(0, |checksum: u64, _| {
        checksum
            .rotate_left(1)
            .wrapping_add(mutator.enter(|mc| sum(&root.get(mc))))
    })
}
