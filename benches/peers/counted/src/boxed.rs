//! `Box`: trees only.

use peers_common::{Request, depths, mix};

use crate::size32;

pub fn workloads(request: &Request) -> Option<u64> {
    Some(match request.workload.as_str() {
        "binary-trees" => binary_trees(size32(request, 0)),
        "gcbench" => gcbench(size32(request, 0)),
        "threads" => threads(size32(request, 0), request.size(1)),
        "traversal" => traversal(size32(request, 0), request.size(1)),
        _ => return None,
    })
}

struct Tree {
    left: Option<Box<Tree>>,
    right: Option<Box<Tree>>,
}

impl Tree {
    fn bottom_up(depth: u32) -> Box<Tree> {
        let child = || (depth > 0).then(|| Tree::bottom_up(depth - 1));
        Box::new(Tree {
            left: child(),
            right: child(),
        })
    }

    fn count(&self) -> u64 {
        let count = |child: &Option<Box<Tree>>| child.as_ref().map_or(0, |tree| tree.count());
        1 + count(&self.left) + count(&self.right)
    }
}

fn binary_trees(max: u32) -> u64 {
    let mut checksum = Tree::bottom_up(max + 1).count();
    let long_lived = Tree::bottom_up(max);
    for (depth, trees) in depths(max) {
        let sum = (0..trees).map(|_| Tree::bottom_up(depth).count()).sum();
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

#[derive(Default)]
struct Node {
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
    i: u64,
    j: u64,
}

impl Node {
    fn populate(&mut self, depth: u32) {
        if depth > 0 {
            self.left.insert(Box::default()).populate(depth - 1);
            self.right.insert(Box::default()).populate(depth - 1);
        }
    }

    fn bottom_up(depth: u32) -> Box<Node> {
        let child = || (depth > 0).then(|| Node::bottom_up(depth - 1));
        Box::new(Node {
            left: child(),
            right: child(),
            i: 0,
            j: 0,
        })
    }

    fn count(&self) -> u64 {
        let count = |child: &Option<Box<Node>>| child.as_ref().map_or(0, |node| node.count());
        1 + self.i + self.j + count(&self.left) + count(&self.right)
    }

    fn first(&self) -> u64 {
        self.left.as_ref().map_or(0, |left| left.i) + 1
    }
}

fn gcbench(max: u32) -> u64 {
    drop(Node::bottom_up(max + 2));
    let mut long_lived = Box::<Node>::default();
    long_lived.populate(max);
    let array: Vec<f64> = (0..500_000).map(|i| 1.0 / (i + 1) as f64).collect();
    let mut checksum = 0;
    for (depth, trees) in depths(max) {
        let mut sum = 0;
        for _ in 0..trees / 2 {
            let mut top = Box::<Node>::default();
            top.populate(depth);
            sum += top.first();
        }
        sum += (0..trees / 2)
            .map(|_| Node::bottom_up(depth).first())
            .sum::<u64>();
        checksum = mix(checksum, sum);
    }
    mix(checksum, long_lived.count() + (array[1000] * 1e9) as u64)
}

struct Valued {
    left: Option<Box<Valued>>,
    right: Option<Box<Valued>>,
    value: u64,
    depth: u64,
}

fn build(depth: u32, next: &mut u64) -> Box<Valued> {
    let mut child = || (depth > 0).then(|| build(depth - 1, next));
    let (left, right) = (child(), child());
    let value = *next;
    *next += 1;
    Box::new(Valued {
        left,
        right,
        value,
        depth: u64::from(depth),
    })
}

fn sum(tree: &Valued) -> u64 {
    let child = |child: &Option<Box<Valued>>| child.as_ref().map_or(0, |tree| sum(tree));
    (tree.value ^ tree.depth)
        .wrapping_add(child(&tree.left))
        .wrapping_add(child(&tree.right))
}

fn traversal(depth: u32, rounds: u64) -> u64 {
    let tree = build(depth, &mut 0);
    (0..rounds).fold(0, |checksum: u64, _| {
        checksum
            .rotate_left(1)
            .wrapping_add(sum(std::hint::black_box(&tree)))
    })
}
