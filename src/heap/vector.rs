//! Comparing mark bytes sixteen at a time, for the sweep of spans with small slots and without destructors.
//!
//! Objects of 16, 32 and 64 bytes have their marks 1, 2 and 4 bytes apart; packing drops the bytes between. SSE2 is part of
//! x86-64; on other processors, and for other strides, the caller compares byte by byte.

/// Bit `i` says whether the byte at `first + i · stride` is `mark`, for `count` bytes; `None` if there is no fast way.
///
/// # Safety
/// The `count · stride` bytes from `first` on are initialised, and nobody writes them meanwhile.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
pub(super) unsafe fn marked_bits(
    first: usize,
    stride: usize,
    count: usize,
    mark: u8,
) -> Option<u64> {
    if count != 64 {
        return None;
    }
    let first = core::ptr::with_exposed_provenance::<[u8; 16]>(first);
    // SAFETY: `4 · stride` times sixteen bytes are `count · stride`: initialised, and not written meanwhile (I6), by the caller.
    let marks = unsafe { core::slice::from_raw_parts(first, 4 * stride) };
    match stride {
        // SAFETY: SSE2 is part of x86-64.
        1 => Some(unsafe { x86::every(marks, mark) }),
        // SAFETY: SSE2 is part of x86-64.
        2 => Some(unsafe { x86::every_second(marks, mark) }),
        // SAFETY: SSE2 is part of x86-64.
        4 => Some(unsafe { x86::every_fourth(marks, mark) }),
        _ => None,
    }
}

/// See above.
///
/// # Safety
/// Nothing is asked for.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(super) unsafe fn marked_bits(_: usize, _: usize, _: usize, _: u8) -> Option<u64> {
    None
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86 {
    use core::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8,
        _mm_packs_epi32, _mm_packus_epi16, _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi32,
    };

    /// Which of sixteen bytes are `mark`.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal(bytes: __m128i, mark: u8) -> u64 {
        let equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(mark.cast_signed()));
        u64::from(_mm_movemask_epi8(equal).cast_unsigned())
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: sixteen bytes, wherever they start.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    /// Every fourth of 32 bytes, as eight 16-bit numbers.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn fourths(a: &[u8; 16], b: &[u8; 16]) -> __m128i {
        let low = _mm_set1_epi32(0xff);
        let a = _mm_and_si128(load(a), low);
        _mm_packs_epi32(a, _mm_and_si128(load(b), low))
    }

    /// Of 64 bytes.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn every(marks: &[[u8; 16]], mark: u8) -> u64 {
        let mut bits = 0;
        for (sixteen, marks) in marks.iter().enumerate() {
            bits |= equal(load(marks), mark) << (sixteen * 16);
        }
        bits
    }

    /// Of 128 bytes.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn every_second(marks: &[[u8; 16]], mark: u8) -> u64 {
        let low = _mm_set1_epi16(0xff);
        let mut bits = 0;
        for (sixteen, [a, b]) in marks.as_chunks().0.iter().enumerate() {
            let a = _mm_and_si128(load(a), low);
            let b = _mm_and_si128(load(b), low);
            bits |= equal(_mm_packus_epi16(a, b), mark) << (sixteen * 16);
        }
        bits
    }

    /// Of 256 bytes.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn every_fourth(marks: &[[u8; 16]], mark: u8) -> u64 {
        let mut bits = 0;
        for (sixteen, [a, b, c, d]) in marks.as_chunks().0.iter().enumerate() {
            let packed = _mm_packus_epi16(fourths(a, b), fourths(c, d));
            bits |= equal(packed, mark) << (sixteen * 16);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::marked_bits;

    #[test]
    fn agrees_with_comparing_one_by_one() {
        let bytes: Vec<u8> = (0..256u32).map(|i| (i * i % 5) as u8).collect();
        let first = bytes.as_ptr().expose_provenance();
        // SAFETY: for `count` times `stride` up to 256, bytes of `bytes`, which nobody writes.
        let marked_bits = |stride, count, mark| unsafe { marked_bits(first, stride, count, mark) };
        for stride in [1, 2, 4] {
            for mark in 0..5 {
                let expected = (0..64)
                    .filter(|&index| bytes[index * stride] == mark)
                    .fold(0, |bits: u64, index| bits | 1 << index);
                if let Some(bits) = marked_bits(stride, 64, mark) {
                    assert_eq!(bits, expected, "stride {stride}, mark {mark}");
                }
            }
        }
        assert_eq!(marked_bits(3, 64, 1), None);
        assert_eq!(marked_bits(1, 63, 1), None);
    }
}
