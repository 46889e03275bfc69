//! Slices that are scanned in pieces.

use core::ops::Range;

use super::marker::LARGE;
use super::tracer::Tracer;

/// Bytes of a slice that are scanned together. Small where that is for the tests to see, but not below [`LARGE`]: up to there slices
/// are scanned in a loop.
pub(super) const PIECE: usize = if cfg!(any(debug_assertions, tricolor_loom)) {
    LARGE
} else {
    32 << 10
};

/// Traces some elements of the slice at the address: those of the range, which is within its length. The slice lives, and is of the
/// function's type; nobody writes what is neither claimed nor scanned in it (I3).
pub(crate) type PieceFn = unsafe fn(usize, Range<usize>, &mut Tracer<'static>);

/// What is still to be scanned of a marked slice: a range of its elements, not empty.
pub(crate) struct Rest {
    pub(super) object: usize,
    pub(super) elements: Range<usize>,
    /// Bytes of an element, not 0.
    pub(super) size: usize,
    pub(super) trace: PieceFn,
    /// The slice has been scanned in an older cycle: it counts as work, and not as marked.
    pub(super) again: bool,
}

impl Rest {
    /// Of no slice.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Rest {
        Rest {
            object: 0,
            elements: 0..1,
            size: 1,
            trace: |_, _, _| (),
            again: false,
        }
    }

    /// The upper half, if there is more than a piece, and more than one element.
    pub(super) fn split(&mut self) -> Option<Rest> {
        if self.elements.len() < 2 || self.elements.len() * self.size <= PIECE {
            return None;
        }
        let middle = self.elements.start + self.elements.len() / 2;
        let upper = Rest {
            elements: middle..self.elements.end,
            ..*self
        };
        self.elements.end = middle;
        Some(upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_slice_is_empty() {
        let mut one = Rest {
            size: 2 * PIECE,
            ..Rest::nowhere()
        };
        assert!(one.split().is_none(), "one large element");
        one.elements = 0..3;
        let upper = one.split().unwrap();
        assert_eq!((one.elements, upper.elements), (0..1, 1..3));
    }
}
