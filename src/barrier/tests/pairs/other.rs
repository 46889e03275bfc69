//! The other thread: it does one thing at a time, when it is told.

use core::cell::Cell;
use std::sync::mpsc::{Receiver, Sender};

use super::scene::{Graves, SharedRoot};
use crate::Heap;
use crate::cycle::command::Command;

/// What it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    Enter,
    Leave,
    /// It puts a new leaf into the first shared slot.
    Put,
    /// It empties that slot.
    Clear,
    /// It has both shared cells, and a cell in the first one, to write.
    Claim,
}

/// Whoever tells it.
pub(super) struct Other {
    tell: Sender<Turn>,
    said: Receiver<Command>,
    inside: Cell<bool>,
}

impl Other {
    pub(super) fn new(tell: Sender<Turn>, said: Receiver<Command>) -> Self {
        let _ = said.recv();
        Other {
            tell,
            said,
            inside: Cell::new(false),
        }
    }

    /// What it has adopted when it has done this.
    pub(super) fn does(&self, turn: Turn) -> Command {
        self.inside.set(turn != Turn::Leave);
        self.tell.send(turn).unwrap();
        self.said.recv().unwrap()
    }

    pub(super) fn is_inside(&self) -> bool {
        self.inside.get()
    }
}

/// The other thread. It ends when nobody is there to tell it more.
pub(super) fn serve(
    heap: &Heap,
    shared: &SharedRoot,
    graves: &Graves,
    told: &Receiver<Turn>,
    say: &Sender<Command>,
) {
    let mut mutator = heap.attach();
    let _ = say.send(heap.core().command());
    while told.recv().is_ok() {
        mutator.enter(|mc| {
            let shared = shared.get(mc);
            loop {
                let _ = say.send(mc.state().command.get());
                match told.recv() {
                    Err(_) | Ok(Turn::Leave) => break,
                    Ok(Turn::Put) => shared.slots[0].set(mc, Some(graves.leaf(mc))),
                    Ok(Turn::Clear) => shared.slots[0].set(mc, None),
                    Ok(Turn::Claim | Turn::Enter) => {
                        for cell in &shared.cells {
                            if let Some(Some(value)) = cell.try_lock(mc).as_deref() {
                                drop(value.lock.try_write(mc));
                            }
                        }
                    }
                }
            }
        });
        let _ = say.send(heap.core().command());
    }
}
