//! The end of marking by itself: the worklist with markers that take, share and give back, while somebody asks whether it is dry; and
//! the last round, from the moment at which it has been asked for. The worklist's own models mark numbers instead of objects: small
//! enough for what its lock covers to be judged.

use super::harness::{
    Bound, Caught, Model, are_caught, begin, drive, finish, heap, hold, model, must_be_freed,
    must_live, spawn, switch_point,
};
use super::objects::{Node, Weak};
use crate::mark::aside::SetAside;
use crate::mark::marker::Marker;
use crate::mark::tracer::Meet;
use crate::mark::worklist::{Take, Worklist};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::sync::witness::Witness;
use crate::sync::{Arc, plain, thread};
use crate::{Barrier, Gc, Heap, Mutator, Root, Rootable};

const DEEP: Bound = Bound { preemptions: 3 };
const BOUND: Bound = Bound { preemptions: 2 };

type NodeRoot = Root<Rootable![Node<'_>]>;
type WeakRoot = Root<Rootable![Weak<'_>]>;

/// What is marked: object 1, which leads to 2, as long as that is there, and to 3.
struct Graph {
    /// Written by who scans an object.
    scanned: [Witness; 4],
    found: [plain::AtomicBool; 4],
    /// 1 leads to 2.
    leads: AtomicBool,
}

impl Graph {
    /// An object is marked; whether it was not. What it leads to is returned.
    fn scan(&self, object: usize) -> Vec<usize> {
        if self.found[object].swap(true, Ordering::Relaxed) {
            return vec![];
        }
        self.scanned[object].write();
        match object {
            1 if self.leads.load(Ordering::Relaxed) => vec![2, 3],
            1 => vec![3],
            _ => vec![],
        }
    }

    /// Marking is over.
    fn must_be_scanned(&self, objects: &[usize]) {
        for &object in objects {
            self.scanned[object].read();
            if !self.found[object].load(Ordering::Relaxed) {
                violation(format!("marking is over, and {object} is not marked"));
            }
        }
    }
}

/// A cycle that marks numbers.
#[derive(Clone)]
struct Run {
    heap: Heap,
    graph: Arc<Graph>,
    /// Stands for cells: those who mark read them, and when marking is over they are written.
    cells: Arc<Witness>,
}

impl Run {
    /// Markers may start, and find these.
    fn new(objects: &[usize]) -> Run {
        let graph = Graph {
            scanned: Default::default(),
            found: [const { plain::AtomicBool::new(false) }; 4],
            leads: AtomicBool::new(true),
        };
        let run = Run {
            heap: heap(Barrier::Deletion),
            graph: Arc::new(graph),
            cells: Arc::default(),
        };
        run.list().open();
        run.list().push(&mut objects.to_vec());
        run
    }

    fn list(&self) -> &Worklist {
        &self.heap.core().worklist
    }

    /// A marker with a block, if there is one to be taken.
    fn marker(&self) -> Result<Marker, Take> {
        match self.list().take(false) {
            Take::Block(block) => {
                let mut marker = self.heap.core().new_marker(Meet::Claim);
                marker.active = true;
                marker.tracer.edges = block;
                Ok(marker)
            }
            other => Err(other),
        }
    }

    fn retire(&self, marker: Marker) {
        self.heap.core().retire_marker(marker);
    }

    /// Marks what the marker has, but for the older half of two, which it shares, and what comes to the list meanwhile; then retires.
    fn mark_with(&self, mut marker: Marker) {
        loop {
            while let Some(object) = marker.tracer.edges.pop() {
                self.cells.read();
                let mut found = self.graph.scan(object);
                if found.len() > 1 {
                    let mut shared = vec![found.remove(0)];
                    self.list().push(&mut shared);
                }
                marker.tracer.edges.append(&mut found);
            }
            if !marker.refill(self.list()) {
                break;
            }
        }
        self.retire(marker);
    }

    /// As a helper: marks while there is something to mark, or others are at work, for `looks` looks.
    fn help(&self, looks: usize) {
        for _ in 0..looks {
            match self.marker() {
                Ok(marker) => self.mark_with(marker),
                Err(Take::Wait) => thread::yield_now(),
                Err(_) => return,
            }
        }
    }

    /// As a helper in the smallest steps: gives back what it has when one object is scanned.
    fn step(&self) {
        while let Ok(mut marker) = self.marker() {
            if let Some(object) = marker.tracer.edges.pop() {
                let mut found = self.graph.scan(object);
                marker.tracer.edges.append(&mut found);
            }
            self.retire(marker);
        }
    }

    /// As the driver, when nothing is in buffers: marking is over when the list is dry.
    fn close(&self) {
        while !self.list().close_if(|dry| dry.is_some()) {
            thread::yield_now();
        }
    }
}

/// Two markers, one of which shares with the other.
fn shared() {
    let run = Run::new(&[1]);
    let helps = [run.clone(), run.clone()];
    loom::explore();
    let helpers = helps.map(|run| spawn(move || run.help(2)));
    run.close();
    run.graph.must_be_scanned(&[1, 2, 3]);
    for helper in helpers {
        helper.join().unwrap();
    }
}

/// Markers that give up what they have after each object.
fn given_back() {
    let run = Run::new(&[1]);
    let steps = run.clone();
    loom::explore();
    let helper = spawn(move || steps.step());
    run.close();
    run.graph.must_be_scanned(&[1, 2, 3]);
    helper.join().unwrap();
}

/// The rounds of a run with one mutator.
#[derive(Clone, Default)]
struct Rounds {
    asked: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

impl Rounds {
    const OVER: usize = 100;

    /// The driver: notes what has been pushed while the list is dry, asks, and compares. It marks what turns up.
    fn drive(&self, run: &Run) {
        let mut round = 0;
        loop {
            run.help(1);
            let Some(pushes) = run.list().dry() else {
                thread::yield_now();
                continue;
            };
            round += 1;
            self.asked.store(round, Ordering::Release);
            while self.answered.load(Ordering::Acquire) != round {
                thread::yield_now();
            }
            if run.list().close_if(|dry| dry == Some(pushes)) {
                return self.asked.store(Self::OVER, Ordering::Release);
            }
        }
    }

    /// The mutator: hands over its buffer in each round and answers; then `meanwhile` may fill it again.
    fn answer(&self, run: &Run, buffer: &mut Vec<usize>, meanwhile: impl Fn(&mut Vec<usize>)) {
        for round in 1.. {
            loop {
                match self.asked.load(Ordering::Acquire) {
                    Self::OVER => return,
                    asked if asked >= round => break,
                    _ => thread::yield_now(),
                }
            }
            run.list().push_shaded(buffer);
            self.answered.store(round, Ordering::Release);
            meanwhile(buffer);
        }
    }
}

/// A mutator has 1 in its buffer, hands it over in the first round and takes 2 out of it, which it shades. A helper may have done
/// with 1 when that round ends.
fn come_and_gone() {
    let run = Run::new(&[]);
    let rounds = Rounds::default();
    let (helps, works, answers) = (run.clone(), run.clone(), rounds.clone());
    loom::explore();
    let mutator = spawn(move || {
        answers.answer(&works, &mut vec![1], |buffer| {
            if works.graph.leads.swap(false, Ordering::Relaxed) {
                buffer.push(2);
            }
        });
    });
    let helper = spawn(move || helps.help(1));
    rounds.drive(&run);
    run.graph.must_be_scanned(&[1, 2, 3]);
    mutator.join().unwrap();
    helper.join().unwrap();
}

/// A mutator hands something over, before the list is closed or after it, when cells are written; and a marker comes by.
fn closed() {
    let run = Run::new(&[]);
    let (pushes, helps) = (run.clone(), run.clone());
    loom::explore();
    let mutator = spawn(move || pushes.list().push(&mut vec![3]));
    let helper = spawn(move || helps.help(1));
    while !run.list().close_if(|dry| dry.is_some()) {
        run.help(1);
        thread::yield_now();
    }
    run.cells.write();
    mutator.join().unwrap();
    helper.join().unwrap();
}

/// Marking is given up, with a marker at work that gives back what it has. Cells are written, and what mutators hand over as their barriers
/// go off is nobody's, in the next cycle too.
fn given_up() {
    let run = Run::new(&[1]);
    let works = run.clone();
    loom::explore();
    let marker = spawn(move || {
        for _ in 0..2 {
            if let Ok(marker) = works.marker() {
                works.cells.read();
                works.retire(marker);
            }
        }
    });
    while !run.list().give_up() {
        thread::yield_now();
    }
    run.cells.write();
    run.list().push(&mut vec![2]);
    switch_point();
    run.list().clear();
    run.list().open();
    if run.marker().is_ok() {
        violation("there is work of a cycle that is over".to_owned());
    }
    marker.join().unwrap();
}

/// Object 3 has a cell, which is busy at first.
fn scan_cell(run: &Run, busy: &AtomicBool, aside: &mut SetAside) {
    if busy.load(Ordering::Acquire) {
        aside.objects.push(3);
    } else {
        run.cells.read();
        run.graph.scan(3);
    }
}

/// Insertion: a marker meets 3 while a mutator writes it, and sets it aside. Marking is over when it has been looked at again.
fn set_aside() {
    let run = Run::new(&[3]);
    let busy = Arc::new(AtomicBool::new(true));
    let (works, met, writes, written) = (run.clone(), busy.clone(), run.clone(), busy.clone());
    loom::explore();
    let writer = spawn(move || {
        writes.cells.write();
        written.store(false, Ordering::Release);
    });
    let marker = spawn(move || {
        if let Ok(mut marker) = works.marker() {
            marker.tracer.edges.clear();
            scan_cell(&works, &met, &mut marker.deferred);
            works.retire(marker);
        }
    });
    loop {
        if run.list().dry().is_some() {
            let mut aside = SetAside::default();
            for _ in run.list().take_deferred().objects {
                scan_cell(&run, &busy, &mut aside);
            }
            run.list().defer(&mut aside);
            if run.list().is_done() && run.list().close_if(|dry| dry.is_some()) {
                break;
            }
        }
        thread::yield_now();
    }
    run.graph.must_be_scanned(&[3]);
    marker.join().unwrap();
    writer.join().unwrap();
}

/// Object 0, rooted, which leads to 1; 2 is garbage. A cycle marks.
fn marking(barrier: Barrier) -> (Heap, Mutator, NodeRoot) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let root: NodeRoot = main.enter(|mc| {
        let child = Gc::new(mc, Node::new(1, None));
        Gc::new(mc, Node::new(2, None));
        Root::new(mc, Gc::new(mc, Node::new(0, Some(child))))
    });
    begin(&heap);
    (heap, main, root)
}

/// The driver, on this thread, has asked for the next round.
fn ask(heap: &Heap) {
    let seq = heap.core().command_seq();
    drive(heap, |core| core.command_seq() != seq);
}

/// A thread takes the cycle to its end.
fn driver(heap: &Heap) -> thread::JoinHandle<()> {
    let heap = heap.clone();
    spawn(move || finish(&heap))
}

/// A mutator has taken 1 out of 0 before the marker came, answers at a poll, and puts it back. Its buffer alone has 1 until then.
fn answered(barrier: Barrier) {
    let (heap, mut main, root) = marking(barrier);
    let driver = main.enter(|mc| {
        let object = root.get(mc);
        let child = object.next.swap(mc, None).unwrap();
        ask(&heap);
        loom::explore();
        let driver = driver(&heap);
        thread::yield_now();
        mc.state().poll();
        object.next.set(mc, Some(child));
        switch_point();
        driver
    });
    driver.join().unwrap();
    must_be_freed(2);
    must_live(1);
}

/// Insertion: a mutator puts a new object in 0 when it has answered the round. The stop finds it.
fn stored_later() {
    let (heap, mut main, root) = marking(Barrier::Insertion);
    let driver = main.enter(|mc| {
        let new = Gc::new(mc, Node::new(3, None));
        ask(&heap);
        loom::explore();
        let driver = driver(&heap);
        thread::yield_now();
        mc.state().poll();
        switch_point();
        root.get(mc).next.set(mc, Some(new));
        driver
    });
    driver.join().unwrap();
    must_be_freed(2);
    must_live(3);
}

/// The mutator is gone when it would answer.
fn detached(barrier: Barrier) {
    let (heap, mut main, root) = marking(barrier);
    let _kept: NodeRoot = main.enter(|mc| {
        let child = root.get(mc).next.swap(mc, None).unwrap();
        ask(&heap);
        Root::new(mc, child)
    });
    loom::explore();
    let driver = driver(&heap);
    drop(main);
    driver.join().unwrap();
    must_be_freed(2);
    must_live(1);
}

/// A mutator answers, and brings back an object that only a weak reference knows.
fn revived(barrier: Barrier) {
    let heap = heap(barrier);
    let mut main = heap.attach();
    let weak: WeakRoot = main.enter(|mc| {
        let target = Gc::new(mc, Node::new(1, None));
        Gc::new(mc, Node::new(2, None));
        let weak = Gc::downgrade(target, mc);
        Root::new(mc, Gc::new(mc, Weak::new(0, weak)))
    });
    begin(&heap);
    ask(&heap);
    loom::explore();
    let driver = driver(&heap);
    let kept: Option<NodeRoot> = main.enter(|mc| {
        let target = weak.get(mc).target.upgrade(mc);
        target.map(|target| Root::new(mc, target))
    });
    driver.join().unwrap();
    must_be_freed(2);
    if kept.is_some() {
        must_live(1);
    }
}

pub(super) fn models() -> Vec<Model> {
    let mut models = vec![
        model("rounds, shared".into(), BOUND, shared),
        model("rounds, given back".into(), DEEP, given_back),
        model("rounds, come and gone".into(), BOUND, come_and_gone),
        model("rounds, closed".into(), DEEP, closed),
        model("rounds, given up".into(), DEEP, given_up),
        model("rounds, set aside".into(), DEEP, set_aside),
        model("rounds, stored later".into(), BOUND, stored_later),
    ];
    for barrier in [Barrier::Deletion, Barrier::Hybrid] {
        let named = |what| format!("rounds, {what}, {barrier}");
        models.push(model(named("answered"), BOUND, move || answered(barrier)));
        models.push(model(named("detached"), BOUND, move || detached(barrier)));
        models.push(model(named("revived"), BOUND, move || revived(barrier)));
    }
    models
}

pub(super) const TWINS: &[Caught] = &[
    ("rounds, shared", Twin::ActiveNotCounted),
    ("rounds, shared", Twin::ActiveCountedLate),
    ("rounds, given back", Twin::RetiresFirst),
    ("rounds, given back", Twin::EdgesForgotten),
    ("rounds, come and gone", Twin::PushNotCounted),
    ("rounds, closed", Twin::ClosedLate),
    ("rounds, closed", Twin::WorklistStaysOpen),
    ("rounds, closed", Twin::ActiveCountedLate),
    ("rounds, given up", Twin::OpenWhenAbandoned),
    ("rounds, given up", Twin::RetiresFirst),
    ("rounds, set aside", Twin::AsideIsDone),
    ("rounds, set aside", Twin::DeferredForgotten),
    ("rounds, set aside", Twin::RetiresFirst),
    ("rounds, stored later", Twin::InsertionWithoutStop),
    ("rounds, stored later", Twin::FinalStopNoFlush),
    ("rounds, answered, deletion", Twin::NoFlush),
    ("rounds, answered, deletion", Twin::RoundNotClean),
    ("rounds, answered, hybrid", Twin::AnswerBeforeFlush),
    ("rounds, detached, deletion", Twin::DetachNoFlush),
    ("rounds, detached, hybrid", Twin::DetachBeforeFlush),
    ("rounds, revived, deletion", Twin::UpgradeUnlocked),
    ("rounds, revived, deletion", Twin::UpgradeNotShaded),
    ("rounds, revived, hybrid", Twin::UpgradeNotSeen),
];

#[test]
fn marking_ends_when_nothing_is_left() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
