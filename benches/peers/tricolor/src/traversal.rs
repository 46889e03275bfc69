//! A tree that is built once and walked many times, through `Gc` or through raw pointers to the same memory.

use std::hint::black_box;

use peers_common::thread_nanos;
use tricolor_gc::{Gc, Heap, Mutation, Root, Rootable, Trace};

#[derive(Trace)]
#[repr(C)]
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

/// What `Tree` is without the library's types.
#[repr(C)]
struct Raw {
    left: *const Raw,
    right: *const Raw,
    value: u64,
    depth: u64,
}

impl Raw {
    fn of(tree: &Tree<'_>) -> *const Raw {
        let raw: *const Raw = std::ptr::from_ref(tree).cast();
        // SAFETY: `Option<Gc>` is one word, a pointer or null, and both types are `repr(C)` with the same fields.
        let raw_tree = unsafe { &*raw };
        let left = tree.left.map_or(std::ptr::null(), Gc::as_ptr);
        assert_eq!(raw_tree.left.cast(), left, "another layout");
        raw
    }
}

/// # Safety
///
/// `tree` points to a tree that lives and does not change.
unsafe fn raw_sum(tree: *const Raw) -> u64 {
    // SAFETY: the caller's promise.
    let tree = unsafe { &*tree };
    let child = |child: *const Raw| {
        if child.is_null() {
            return 0;
        }
        // SAFETY: a child of a tree that lives.
        unsafe { raw_sum(child) }
    };
    (tree.value ^ tree.depth)
        .wrapping_add(child(tree.left))
        .wrapping_add(child(tree.right))
}

/// Rounds through `Gc` and rounds through raw pointers take turns; the figures are the CPU time of each kind.
pub fn beside_raw(heap: &Heap, depth: u32, rounds: u64) -> u64 {
    let mut mutator = heap.attach();
    let root: Root<Rootable![Tree<'_>]> =
        mutator.enter(|mc| Root::new(mc, build(mc, depth, &mut 0)));
    let (mut checksum, mut gc, mut raw) = (0u64, Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = thread_nanos();
        let through_gc = mutator.enter(|mc| sum(black_box(&root.get(mc))));
        let middle = thread_nanos();
        // SAFETY: rooted, and nothing stores to it.
        let through_raw = mutator.enter(|mc| unsafe { raw_sum(black_box(Raw::of(&root.get(mc)))) });
        raw.push(thread_nanos() - middle);
        gc.push(middle - start);
        assert_eq!(through_gc, through_raw);
        checksum = checksum.rotate_left(1).wrapping_add(through_gc);
    }
    for (name, times) in [("gc", &mut gc), ("raw", &mut raw)] {
        times.sort_unstable();
        println!("{name}_round_us {:.1}", times[times.len() / 2] as f64 / 1e3);
    }
    checksum
}
