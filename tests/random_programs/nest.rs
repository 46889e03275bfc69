//! Cells of one thread in cells of one thread, which go from one to another by way of a lock.

use tricolor_gc::{Gc, GcRefCell, Mutation, Root, Rootable, Trace};

use crate::node::{Few, Hand, To};

/// Cells in a cell.
pub(crate) type Nest<'gc> = GcRefCell<Few<GcRefCell<Option<To<'gc>>>>>;

/// One with a cell for a pointer.
pub(crate) fn of(to: Option<To<'_>>) -> Nest<'_> {
    GcRefCell::new(Few::one(GcRefCell::new(to)))
}

/// A thread's own: a nest that it has taken out of a node.
#[derive(Trace)]
pub(crate) struct Own<'gc>(GcRefCell<Option<Nest<'gc>>>);

/// A root of that.
pub(crate) type OwnRoot = Root<Rootable![Own<'_>]>;

impl<'gc> Own<'gc> {
    /// Without one.
    pub(crate) fn root(mc: &Mutation<'gc>) -> OwnRoot {
        Root::new(mc, Gc::new(mc, Own(GcRefCell::new(None))))
    }

    /// A pointer out of it.
    pub(crate) fn look(&self, at: usize) -> Option<To<'gc>> {
        let nest = self.0.try_borrow()?;
        let cells = nest.as_ref()?.try_borrow()?;
        *cells.get(at)?.try_borrow()?
    }
}

impl<'gc> Hand<'_, 'gc> {
    /// The thread's own becomes the node's, and the other way round.
    pub(crate) fn exchange_nest(&mut self, with: To<'gc>) {
        let mc = self.mc;
        let own = self.own;
        let (shared, own) = (with.nest.try_lock(mc), own.0.try_borrow_mut(mc));
        if let (Some(mut shared), Some(mut own)) = (shared, own) {
            std::mem::swap(&mut *shared, &mut *own);
            self.garbage();
            self.end(own);
            self.end(shared);
        }
    }

    /// Stores a pointer under the node's lock.
    pub(crate) fn store_in_shared_nest(&mut self, into: To<'gc>, to: Option<To<'gc>>) {
        let Some(mut shared) = into.nest.try_lock(self.mc) else {
            return;
        };
        let nest = shared.get_or_insert_with(|| of(None));
        if self.random.below(2) == 0 {
            self.store_in_nest(nest, to);
        } else if let Some(cell) = nest.get_mut().get_mut(self.random.below(4)) {
            *cell.get_mut() = to;
        }
        self.end(shared);
    }

    /// Stores a pointer into the thread's own.
    pub(crate) fn store_in_own_nest(&mut self, to: Option<To<'gc>>) {
        let own = self.own;
        if let Some(nest) = own.0.try_borrow()
            && let Some(nest) = &*nest
        {
            self.store_in_nest(nest, to);
        }
    }

    /// Puts a new cell into the nest, or not, and the pointer into the last one that is there.
    fn store_in_nest(&mut self, nest: &Nest<'gc>, to: Option<To<'gc>>) {
        let mc = self.mc;
        if self.random.below(2) == 0
            && let Some(mut cells) = nest.try_borrow_mut(mc)
        {
            if cells.len() > 3 {
                cells.remove(0);
            }
            cells.push(GcRefCell::new(None));
            self.garbage();
            self.end(cells);
        }
        if let Some(cells) = nest.try_borrow()
            && let Some(last) = cells.len().checked_sub(1)
            && let Some(place) = cells.get(last).and_then(|cell| cell.try_borrow_mut(mc))
        {
            self.fill(place, to);
        }
    }
}
