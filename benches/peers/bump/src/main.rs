//! The workloads that an arena can run: nothing is freed but whole arenas, one for each tree or batch of rings.

use std::cell::Cell;
use std::process::ExitCode;

use bumpalo::Bump;
use peers_common::{depths, mix, run};

fn main() -> ExitCode {
    run(|request| {
        Some(match request.workload.as_str() {
            "binary-trees" => binary_trees(request.size(0) as u32),
            "threads" => threads(request.size(0) as u32, request.size(1)),
            "rings" => rings(request.size(0), request.size(1)),
            "traversal" => traversal(request.size(0) as u32, request.size(1)),
            _ => return None,
        })
    })
}

struct Tree<'a> {
    left: Option<&'a Tree<'a>>,
    right: Option<&'a Tree<'a>>,
}

impl<'a> Tree<'a> {
    fn bottom_up(bump: &'a Bump, depth: u32) -> &'a Tree<'a> {
        let child = || (depth > 0).then(|| Tree::bottom_up(bump, depth - 1));
        bump.alloc(Tree {
            left: child(),
            right: child(),
        })
    }

    fn count(&self) -> u64 {
        let count = |child: Option<&Tree<'a>>| child.map_or(0, |tree| tree.count());
        1 + count(self.left) + count(self.right)
    }
}

fn binary_trees(max: u32) -> u64 {
    let mut checksum = Tree::bottom_up(&Bump::new(), max + 1).count();
    let bump = Bump::new();
    let long_lived = Tree::bottom_up(&bump, max);
    for (depth, trees) in depths(max) {
        let mut bump = Bump::new();
        let mut sum = 0;
        for _ in 0..trees {
            sum += Tree::bottom_up(&bump, depth).count();
            bump.reset();
        }
        checksum = mix(checksum, sum);
    }
    mix(checksum, long_lived.count())
}

fn threads(max: u32, threads: u64) -> u64 {
    let workers: Vec<_> = (0..threads)
        .map(|_| std::thread::spawn(move || binary_trees(max)))
        .collect();
    let sums = workers
        .into_iter()
        .map(|worker| worker.join().expect("a thread failed"));
    sums.fold(0, mix)
}

struct Bead<'a> {
    value: u64,
    next: Cell<Option<&'a Bead<'a>>>,
    previous: Cell<Option<&'a Bead<'a>>>,
}

fn bead<'a>(bump: &'a Bump, value: u64, previous: Option<&'a Bead<'a>>) -> &'a Bead<'a> {
    bump.alloc(Bead {
        value,
        next: Cell::new(None),
        previous: Cell::new(previous),
    })
}

fn ring<'a>(bump: &'a Bump, length: u64, value: u64) -> &'a Bead<'a> {
    let first = bead(bump, value, None);
    let mut last = first;
    for i in 1..length {
        let next = bead(bump, value + i, Some(last));
        last.next.set(Some(next));
        last = next;
    }
    last.next.set(Some(first));
    first.previous.set(Some(last));
    first
}

fn walk<'a>(first: &'a Bead<'a>) -> u64 {
    let (mut sum, mut bead) = (0, first);
    loop {
        sum += bead.value;
        bead = bead.next.get().expect("a ring has no end");
        if std::ptr::eq(bead, first) {
            return sum;
        }
    }
}

fn rings(rings: u64, length: u64) -> u64 {
    let mut bump = Bump::new();
    let mut sum = 0;
    for done in 0..rings {
        sum += walk(ring(&bump, length, done));
        bump.reset();
    }
    sum
}

struct Valued<'a> {
    left: Option<&'a Valued<'a>>,
    right: Option<&'a Valued<'a>>,
    value: u64,
    depth: u64,
}

fn build<'a>(bump: &'a Bump, depth: u32, next: &mut u64) -> &'a Valued<'a> {
    let mut child = || (depth > 0).then(|| build(bump, depth - 1, next));
    let (left, right) = (child(), child());
    let value = *next;
    *next += 1;
    bump.alloc(Valued {
        left,
        right,
        value,
        depth: u64::from(depth),
    })
}

fn sum(tree: &Valued<'_>) -> u64 {
    let child = |child: Option<&Valued<'_>>| child.map_or(0, sum);
    (tree.value ^ tree.depth)
        .wrapping_add(child(tree.left))
        .wrapping_add(child(tree.right))
}

fn traversal(depth: u32, rounds: u64) -> u64 {
    let bump = Bump::new();
    let tree = build(&bump, depth, &mut 0);
    (0..rounds).fold(0, |checksum: u64, _| {
        checksum
            .rotate_left(1)
            .wrapping_add(sum(std::hint::black_box(tree)))
    })
}
