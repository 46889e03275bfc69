//! Where code of the program runs inside the collector: destructors in a sweep, `trace` in a marker or a barrier.
//!
//! Such code may use other heaps, not the one that runs it. So each thread knows the heaps whose code it runs.

use core::cell::RefCell;
use core::mem::ManuallyDrop;

use crate::cycle::core::Core;
use crate::sync::{Frame, thread_local};

thread_local! {
    /// The heaps whose destructors, or `trace` functions, this thread runs now, the innermost last.
    static IN_USER_CODE: RefCell<HeapStack> = const { RefCell::new(HeapStack::new()) };
}

/// Numbers of heaps. Without a destructor: a thread-local without one can be used as long as the thread runs, in the
/// destructors of all others, too.
struct HeapStack {
    first: [u64; 4],
    len: usize,
    /// What `first` has no room for. Has no memory while it is empty.
    more: ManuallyDrop<Vec<u64>>,
}

const _: () = assert!(!core::mem::needs_drop::<HeapStack>());

impl HeapStack {
    const fn new() -> Self {
        HeapStack {
            first: [0; 4],
            len: 0,
            more: ManuallyDrop::new(Vec::new()),
        }
    }

    fn push(&mut self, heap: u64) {
        match self.first.get_mut(self.len) {
            Some(place) => *place = heap,
            None => self.more.push(heap),
        }
        self.len += 1;
    }

    fn pop(&mut self) {
        self.len -= 1;
        self.more.pop();
        if self.more.is_empty() {
            drop(core::mem::take(&mut *self.more));
        }
    }

    fn contains(&self, heap: u64) -> bool {
        let first = &self.first[..self.len.min(self.first.len())];
        first.contains(&heap) || self.more.contains(&heap)
    }
}

/// Marks the thread as running destructors or `trace` functions of a heap while it lives. Scopes nest.
pub(crate) struct UserCodeScope {
    _frame: Frame,
}

impl UserCodeScope {
    #[track_caller]
    pub(crate) fn new(heap: u64) -> Self {
        let frame = Frame::new();
        IN_USER_CODE.with(|heaps| heaps.borrow_mut().push(heap));
        UserCodeScope { _frame: frame }
    }
}

impl Drop for UserCodeScope {
    fn drop(&mut self) {
        IN_USER_CODE.with(|heaps| heaps.borrow_mut().pop());
    }
}

impl Core {
    /// Whether the current thread runs a destructor or, as a marker, a `trace` of this heap.
    pub(crate) fn in_user_code(&self) -> bool {
        IN_USER_CODE.with(|heaps| heaps.borrow().contains(self.id))
    }

    /// Panics if the current thread runs a destructor or, as a marker, a `trace` of this heap.
    pub(crate) fn check_not_in_user_code(&self, what: &str) {
        assert!(
            !self.in_user_code(),
            "{what} called from the destructor or the trace of an object of the same heap: they may use other heaps only"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_of_heaps_holds_any_number() {
        let mut stack = HeapStack::new();
        for heap in 1..=9 {
            stack.push(heap);
            assert!((1..=heap).all(|heap| stack.contains(heap)) && !stack.contains(heap + 1));
        }
        for heap in (1..=9).rev() {
            stack.pop();
            assert!((1..heap).all(|heap| stack.contains(heap)) && !stack.contains(heap));
        }
        assert_eq!(stack.more.capacity(), 0, "no memory is kept");
    }
}
