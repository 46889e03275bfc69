//! The worklist: grey objects on their way from those who found them to those who scan them.
//!
//! Markers work on stacks of their own; this list is how work gets from one to another, from mutators' barriers to
//! markers, and from roots to markers. It moves *blocks*, so a lock per block is cheap, and it counts what is needed to
//! know that marking is over.
//!
//! **Termination.** Work exists in three places: blocks here, markers at work (each counted in `active` from the moment it takes a block, in the same
//! critical section, until it has nothing left), and mutators' buffers. *Dry* means: no block and nobody active. `pushes` counts every block ever
//! pushed. The cycle driver notes `pushes` while dry, asks every mutator to hand over its buffer, and if after the last answer the list is still dry
//! with the same `pushes`, no grey object existed. Under Deletion and Hybrid none comes later, but by a weak upgrade (see `weak`): a mutator shades
//! what it overwrites, which it took from the heap, and to take a white object from the heap after its answer there would have to be a grey object left
//! that protects it, and there was none. What its stack held before, it took from the heap as well: it was marked, or protected by a grey object then,
//! and is marked by now. New objects are black: who has answered a round has adopted its command, which carries the colour. Those from before T2 that
//! nothing leads to live by theirs, with all that they lead to (`barrier::window`): to shade one after the round is in vain. Under Insertion a stack
//! may hold white objects and store them later; so there a round is only a reason to try the stop, in which no stacks are left.
//!
//! **Set aside.** Under Insertion an object, or a piece of a slice, with a cell that a mutator is writing is scanned but for that cell and
//! set aside, which is neither work nor done. The driver looks at all of them again when the list has gone dry; a cell that is busy still
//! is set aside again, and holds up no round. The final stop ends marking only if nothing is set aside. When nobody is active there, a busy cell
//! is one that a leaked guard has left, and is scanned.
//!
//! **Open and closed.** Mutators hand over grey objects while a cycle arms and when their barriers go off, and cells are then written
//! without claims. A marker that looked at the phase before, or in the cycle before, may come for a block only then. So the list says
//! itself whether it gives any away: it is opened when markers start, and closed when marking is over or given up, under the lock under
//! which blocks are taken, while nobody is active.
//!
//! **Slices.** What is left of a large slice that is scanned in pieces moves as a [`Rest`], which counts as a block does.
//! Not here: prefetching and scanning (`marker`).

use super::aside::SetAside;
use super::rest::Rest;
use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicUsize;
use crate::sync::twin::{self, Twin};
use crate::sync::{Mutex, Rank};

/// Edges that are handed over together.
pub(crate) type Block = Vec<usize>;

/// Edges in a full block.
pub(crate) const BLOCK: usize = 512;

/// Edges in the list, eight megabytes, that mutators may add to without anybody looking whether they are the same.
const CROWDED: usize = 1 << 20;

#[derive(Default)]
struct State {
    blocks: Vec<Block>,
    /// Parts of slices, to be scanned.
    rests: Vec<Rest>,
    /// Markers may take blocks.
    open: bool,
    /// Markers, assisting mutators included, that may hold edges of their own.
    active: usize,
    /// Edges in the blocks, and how many there may be before they are looked through.
    edges: usize,
    crowded: usize,
    /// Blocks and rests ever pushed.
    pushes: u64,
    /// Neither work nor done until somebody looks again.
    deferred: SetAside,
    /// Empty blocks, for their memory.
    spare: Vec<Block>,
}

impl State {
    /// The last block, or the last edges of a long one, the stack of a marker that retired: others are to have parts of it.
    fn take_block(&mut self) -> Option<Block> {
        let parted = |last: &mut Block| last.split_off(last.len() - BLOCK);
        let block = self.blocks.pop_if(|last| last.len() <= BLOCK);
        let block = block.or_else(|| self.blocks.last_mut().map(parted));
        block.inspect(|block| self.edges -= block.len())
    }

    /// Leaves each edge once. While a cycle arms, nothing that is shaded is marked, and a mutator that stores in one slot over and over
    /// again shades the same objects each time: without this, for as long as the slowest mutator stays inside.
    #[cold]
    fn thin_out(&mut self) {
        let mut edges = self.blocks.concat();
        edges.sort_unstable();
        edges.dedup();
        self.blocks = edges.chunks(BLOCK).map(<[usize]>::to_vec).collect();
        self.edges = edges.len();
    }

    fn thin_out_if_crowded(&mut self) {
        if self.edges > self.crowded {
            self.thin_out();
            self.crowded = self.crowded.max(2 * self.edges);
        }
    }

    fn forget_work(&mut self) {
        // With their memory: there may have been many.
        self.blocks = Vec::new();
        self.rests = Vec::new();
        (self.edges, self.crowded) = (0, CROWDED);
    }

    fn is_dry(&self) -> bool {
        self.blocks.is_empty() && self.rests.is_empty() && self.active == 0
    }
}

/// See the module header.
pub(crate) struct Worklist {
    state: Mutex<State>,
    /// Blocks and rests, written under the lock, read without it as a hint (Relaxed: acting on a stale value costs a
    /// futile lock or a moment's idleness).
    available: AtomicUsize,
    /// Markers that look for work and find none: a hint to share (Relaxed, for the same reason).
    pub(crate) looking: AtomicUsize,
}

/// One more looks for work as long as it lives.
pub(crate) struct LooksForWork<'a>(&'a AtomicUsize);

impl Drop for LooksForWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a marker that wants work gets.
#[must_use]
pub(crate) enum Take {
    /// A block; the caller is active and must call [`Worklist::retire`] when it holds no work any more.
    Block(Block),
    /// The same for a part of a slice.
    Rest(Rest),
    /// Nothing here now, but somebody active may share.
    Wait,
    /// Nothing here that may be taken, and nobody active.
    Dry,
}

impl Worklist {
    pub(crate) fn new() -> Self {
        Worklist {
            state: Mutex::ranked(
                Rank::Worklist,
                State {
                    crowded: CROWDED,
                    ..State::default()
                },
            ),
            available: AtomicUsize::new(0),
            looking: AtomicUsize::new(0),
        }
    }

    /// Markers may start.
    pub(crate) fn open(&self) {
        self.state.lock().open = true;
    }

    /// Hands over the edges of `block` and leaves it empty.
    pub(crate) fn push(&self, block: &mut Block) {
        self.push_and(block, |state| {
            state.crowded = state.crowded.max(2 * state.edges);
        });
    }

    /// As [`push`](Self::push), of what a mutator has shaded, which may be the same again and again. Not looked through for it, before there is
    /// as much of it, is what others have pushed, and what was more than all the rest: a table.
    pub(crate) fn push_shaded(&self, block: &mut Block) {
        let pushed = block.len();
        self.push_and(block, |state| {
            if pushed > state.edges / 2 {
                state.crowded = state.crowded.max(2 * state.edges);
            }
            state.thin_out_if_crowded();
        });
    }

    /// Hands over one object that a weak reference has brought back, perhaps again and again: in the last block, if that has room.
    pub(crate) fn push_revived(&self, object: usize) {
        let mut state = self.state.lock();
        match state.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(object),
            _ => state.blocks.push(vec![object]),
        }
        state.edges += 1;
        state.pushes += 1;
        state.thin_out_if_crowded();
        self.note_available(&state);
    }

    fn push_and(&self, block: &mut Block, then: impl FnOnce(&mut State)) {
        if block.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        state.edges += block.len();
        let new = || Vec::with_capacity(block.len());
        let spare = state.spare.pop().unwrap_or_else(new);
        state.blocks.push(core::mem::replace(block, spare));
        state.pushes += u64::from(!twin::is(Twin::PushNotCounted));
        then(&mut state);
        self.note_available(&state);
    }

    /// Hands over parts of slices.
    pub(crate) fn push_rests(&self, rests: &mut Vec<Rest>) {
        if rests.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        state.pushes += rests.len() as u64;
        state.rests.append(rests);
        self.note_available(&state);
    }

    fn note_available(&self, state: &State) {
        let available = state.blocks.len() + state.rests.len();
        self.available.store(available, Ordering::Relaxed);
    }

    /// Takes a block and makes the caller active (unless it is already, as `active` says).
    pub(crate) fn take(&self, active: bool) -> Take {
        let mut state = self.state.lock();
        let open = state.open || twin::is(Twin::WorklistStaysOpen);
        // Blocks first: a rest becomes many edges.
        let block = if open { state.take_block() } else { None };
        let taken = match block {
            Some(block) => Take::Block(block),
            None => match state.rests.pop_if(|_| open) {
                Some(rest) => Take::Rest(rest),
                None if state.active == usize::from(active) => return Take::Dry,
                None => return Take::Wait,
            },
        };
        if twin::is(Twin::ActiveCountedLate) {
            drop(state);
            state = self.state.lock();
        }
        if !twin::is(Twin::ActiveNotCounted) {
            state.active += usize::from(!active);
        }
        self.note_available(&state);
        taken
    }

    /// The caller, active until now, holds no edges.
    pub(crate) fn retire(&self) {
        if !twin::is(Twin::ActiveNotCounted) {
            self.state.lock().active -= 1;
        }
    }

    /// Keeps the memory of an emptied block; not of one that has become a long stack.
    pub(crate) fn recycle(&self, mut block: Block) {
        block.clear();
        let mut state = self.state.lock();
        if state.spare.len() < 16 && block.capacity() <= 2 * BLOCK {
            state.spare.push(block);
        }
    }

    /// Whether a marker with plenty should hand some over.
    #[inline]
    pub(crate) fn wants_work(&self) -> bool {
        self.looking.load(Ordering::Relaxed) > 0 && self.available.load(Ordering::Relaxed) == 0
    }

    /// Somebody looks for work until the result is dropped.
    pub(crate) fn look_for_work(&self) -> LooksForWork<'_> {
        self.looking.fetch_add(1, Ordering::Relaxed);
        LooksForWork(&self.looking)
    }

    /// `Some(pushes)` if there is no block or rest and nobody is active.
    pub(crate) fn dry(&self) -> Option<u64> {
        let state = self.state.lock();
        state.is_dry().then_some(state.pushes)
    }

    /// Sets something aside.
    pub(crate) fn defer(&self, deferred: &mut SetAside) {
        self.state.lock().deferred.append(deferred);
    }

    /// What was set aside. Whoever looks again sets aside no more than that.
    pub(crate) fn take_deferred(&self) -> SetAside {
        core::mem::take(&mut self.state.lock().deferred)
    }

    /// Whether there is no work, nobody active and nothing set aside.
    pub(crate) fn is_done(&self) -> bool {
        let state = self.state.lock();
        state.is_dry() && (state.deferred.is_empty() || twin::is(Twin::AsideIsDone))
    }

    /// Closes the list if marking is over, as `over` says of what [`dry`](Self::dry) says. Whether it is.
    pub(crate) fn close_if(&self, over: impl FnOnce(Option<u64>) -> bool) -> bool {
        let mut state = self.state.lock();
        let over = over(state.is_dry().then_some(state.pushes));
        if twin::is(Twin::ClosedLate) {
            drop(state);
            state = self.state.lock();
        }
        state.open &= !over;
        over
    }

    /// Forgets blocks and rests and closes the list, when a cycle is abandoned. Whether nobody is active any more.
    #[must_use]
    pub(crate) fn give_up(&self) -> bool {
        let mut state = self.state.lock();
        state.forget_work();
        state.open &= twin::is(Twin::OpenWhenAbandoned);
        self.available.store(0, Ordering::Relaxed);
        state.active == 0
    }

    /// Forgets what mutators have handed over since the list was closed, at the end of a cycle.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        debug_assert!(state.active == 0, "a marker is at work in a closed list");
        state.forget_work();
        state.deferred = SetAside::default();
        state.open = false;
        self.available.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shaded_again_and_again_takes_no_more_room() {
        let list = Worklist::new();
        let edges = |state: &Mutex<State>| {
            let state = state.lock();
            let edges = state.blocks.iter().map(Vec::len).sum::<usize>();
            assert_eq!(edges, state.edges);
            edges
        };
        let objects: Vec<usize> = (1..=1000).map(|number| number * 16).collect();
        for _ in 0..3000 {
            list.push_shaded(&mut objects.clone());
            assert!(edges(&list.state) <= CROWDED + objects.len());
        }
        // Roots are as many as they are, and nobody waits while they are sorted.
        let roots = 2 * CROWDED;
        for _ in 0..roots / BLOCK {
            list.push(&mut vec![16; BLOCK]);
        }
        list.push_shaded(&mut objects.clone());
        assert!(edges(&list.state) > roots);
        list.open();
        let mut found = std::collections::HashSet::new();
        while let Take::Block(block) = list.take(true) {
            found.extend(block);
        }
        assert_eq!((found.len(), edges(&list.state)), (objects.len(), 0));
    }

    #[test]
    fn a_stack_that_was_given_up_is_taken_in_parts_and_its_memory_goes() {
        let list = Worklist::new();
        list.open();
        let stack: Vec<usize> = (0..=3 * BLOCK).collect();
        list.push(&mut stack.clone());
        for part in stack.rchunks(BLOCK) {
            assert!(matches!(list.take(true), Take::Block(block) if block == part));
        }
        assert_eq!(list.state.lock().edges, 0);
        list.recycle(stack);
        assert!(list.state.lock().spare.is_empty());
    }

    #[test]
    fn what_is_revived_one_by_one_fills_blocks() {
        let list = Worklist::new();
        for number in 1..=BLOCK * 3 {
            list.push_revived(number * 16);
        }
        assert_eq!(list.state.lock().blocks.len(), 3);
        assert_eq!(list.dry(), None);
        for _ in 0..2 * CROWDED {
            list.push_revived(16);
        }
        assert!(list.state.lock().edges <= CROWDED + 1);
    }

    #[test]
    fn what_was_handed_over_and_done_meanwhile_can_be_told() {
        let list = Worklist::new();
        list.open();
        let before = list.dry().unwrap();
        list.push(&mut vec![]);
        assert_eq!(list.dry(), Some(before), "nothing was handed over");
        list.push(&mut vec![16]);
        assert_eq!(list.dry(), None, "there is a block");
        assert!(matches!(list.take(false), Take::Block(_)));
        assert_eq!(list.dry(), None, "somebody is active");
        assert!(matches!(list.take(true), Take::Dry));
        assert!(matches!(list.take(false), Take::Wait));
        list.retire();
        assert_ne!(list.dry().unwrap(), before);
    }

    #[test]
    fn the_rest_of_a_slice_is_work() {
        let list = Worklist::new();
        list.open();
        list.push_rests(&mut vec![]);
        let before = list.dry().unwrap();
        let _looks_for_work = list.look_for_work();
        assert!(list.wants_work());
        list.push_rests(&mut vec![Rest::nowhere(), Rest::nowhere()]);
        assert!(!list.wants_work(), "there is something to take");
        assert!(list.dry().is_none() && !list.is_done());
        list.push(&mut vec![16]);
        assert!(matches!(list.take(false), Take::Block(_)));
        assert!(matches!(list.take(true), Take::Rest(_)));
        assert!(matches!(list.take(true), Take::Rest(_)));
        assert!(matches!(list.take(true), Take::Dry));
        list.retire();
        assert_ne!(list.dry().unwrap(), before);
        let before = list.dry().unwrap();
        list.push_rests(&mut vec![Rest::nowhere()]);
        assert!(matches!(list.take(false), Take::Rest(_)));
        list.retire();
        assert_ne!(list.dry().unwrap(), before, "rests count as well");
        list.push_rests(&mut vec![Rest::nowhere()]);
        list.clear();
        assert!(list.is_done());
        list.push_rests(&mut vec![Rest::nowhere()]);
        assert!(matches!(list.take(false), Take::Dry), "the list is closed");
    }

    #[test]
    fn what_is_set_aside_is_handed_out_once() {
        let list = Worklist::new();
        list.defer(&mut object(32));
        list.defer(&mut object(16));
        let mut piece = SetAside::default();
        piece.rests.push(Rest::nowhere());
        list.defer(&mut piece);
        assert!(piece.is_empty() && !list.is_done());
        let deferred = list.take_deferred();
        assert_eq!(deferred.objects, [32, 16]);
        assert_eq!(deferred.rests.len(), 1);
        assert!(list.take_deferred().is_empty() && list.is_done());
    }

    fn object(address: usize) -> SetAside {
        SetAside {
            objects: vec![address],
            rests: vec![],
        }
    }

    #[test]
    fn the_list_is_closed_when_nobody_is_at_work() {
        let list = Worklist::new();
        list.push(&mut vec![16]);
        assert!(
            matches!(list.take(false), Take::Dry),
            "markers have not started"
        );
        list.open();
        list.defer(&mut object(32));
        let over = |dry| dry == Some(1);
        assert!(!list.close_if(over), "there is a block");
        let Take::Block(_) = list.take(false) else {
            panic!("there is a block")
        };
        assert!(!list.close_if(over), "somebody is active");
        list.retire();
        assert!(!list.is_done(), "an object is set aside");
        assert!(list.close_if(over), "which is no work");
        list.push(&mut vec![16]);
        assert!(matches!(list.take(false), Take::Dry), "marking is over");
        list.clear();
        assert!(list.is_done());
    }

    #[test]
    fn nobody_begins_to_mark_in_an_abandoned_cycle() {
        let list = Worklist::new();
        list.open();
        list.push(&mut vec![16]);
        let Take::Block(_) = list.take(false) else {
            panic!("there is a block")
        };
        list.push(&mut vec![32]);
        assert!(!list.give_up(), "somebody is active");
        assert!(matches!(list.take(true), Take::Dry), "blocks are forgotten");
        list.push(&mut vec![32]);
        list.retire();
        assert!(list.give_up());
        list.push(&mut vec![32]);
        assert!(matches!(list.take(false), Take::Dry), "nobody may begin");
    }
}
