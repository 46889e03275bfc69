//! With the verifier, freed slots are filled with a pattern, and looked at before they are used again.

/// With the verifier, what freed slots are filled with.
const POISON: u64 = 0xdbdb_dbdb_dbdb_dbdb;

/// With the verifier: fills a freed slot, or what an object takes of one.
///
/// # Safety
/// It starts at `slot`, has `slot_size` bytes, and is the caller's (I7): its object is dead and dropped, or was never made.
#[inline]
pub(crate) unsafe fn poison(slot: usize, slot_size: usize) {
    if !cfg!(feature = "verify") {
        return;
    }
    let words = core::ptr::with_exposed_provenance_mut::<u64>(slot);
    for index in 0..slot_size / size_of::<u64>() {
        // SAFETY: within the slot, by the caller: the word lies in its `slot_size` bytes (I12).
        let word = unsafe { words.add(index) };
        // SAFETY: in the slot, which is the caller's and nobody else's, in writable memory (I14); aligned, as slots are to granules.
        unsafe { word.write(POISON) };
    }
}

/// With the verifier: free slots hold the pattern, or zeros if they were never used.
///
/// # Safety
/// From `from` to `to` there are free slots of a span that the caller owns (I7).
pub(super) unsafe fn check_poison(from: usize, to: usize) {
    let words = core::ptr::with_exposed_provenance::<u64>(from);
    for index in 0..(to - from) / size_of::<u64>() {
        // SAFETY: the word lies in the free slots from `from` to `to` (I12), by the caller.
        let word = unsafe { words.add(index) };
        // SAFETY: in free slots of the caller's span (I7), aligned, as slots are to granules; fresh memory is zero (I14), and what was used
        // has been filled, so the word is initialised.
        let found = unsafe { word.read() };
        if found != POISON && found != 0 {
            let at = from + index * size_of::<u64>();
            crate::report::line(format_args!(
                "tricolor-gc verifier: free memory at {at:#x} was written: {found:#018x}"
            ));
            std::process::abort();
        }
    }
}
