//! Comparing mark bytes sixteen at a time, for the sweep of spans with small slots and without destructors.
//!
//! Objects of 16, 32 and 64 bytes have their marks 1, 2 and 4 bytes apart; packing drops the bytes between. SSE2 is part of
//! x86-64; on other processors, and for other strides, the caller compares byte by byte.

/// Bit `i` says whether the byte at `first + i · stride` is `mark`, for `count` bytes; `None` if there is no fast way.
///
/// The `count · stride` bytes from `first` on must be readable, and nobody may write them meanwhile: the sweeper owns the span, and its
/// type has no drop glue (I6, I7).
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
pub(super) fn marked_bits(first: usize, stride: usize, count: usize, mark: u8) -> Option<u64> {
    if count != 64 {
        return None;
    }
    match stride {
        // SAFETY: SSE2 is part of x86-64. It reads 64 bytes, `count · stride`.
        1 => Some(unsafe { x86::every(first, mark) }),
        // SAFETY: SSE2 is part of x86-64. It reads 128 bytes, `count · stride`.
        2 => Some(unsafe { x86::every_second(first, mark) }),
        // SAFETY: SSE2 is part of x86-64. It reads 256 bytes, `count · stride`.
        4 => Some(unsafe { x86::every_fourth(first, mark) }),
        _ => None,
    }
}

/// See above.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(super) fn marked_bits(_: usize, _: usize, _: usize, _: u8) -> Option<u64> {
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
    fn load(address: usize) -> __m128i {
        let from = core::ptr::with_exposed_provenance::<__m128i>(address);
        // SAFETY: sixteen of the bytes that the caller of `marked_bits` may read; marks are initialised (I14).
        unsafe { _mm_loadu_si128(from) }
    }

    /// Every fourth of 32 bytes, as eight 16-bit numbers.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn fourths(address: usize) -> __m128i {
        let low = _mm_set1_epi32(0xff);
        let a = _mm_and_si128(load(address), low);
        _mm_packs_epi32(a, _mm_and_si128(load(address + 16), low))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn every(first: usize, mark: u8) -> u64 {
        let mut bits = 0;
        for sixteen in 0..4 {
            bits |= equal(load(first + sixteen * 16), mark) << (sixteen * 16);
        }
        bits
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn every_second(first: usize, mark: u8) -> u64 {
        let low = _mm_set1_epi16(0xff);
        let mut bits = 0;
        for sixteen in 0..4 {
            let at = first + sixteen * 32;
            let a = _mm_and_si128(load(at), low);
            let b = _mm_and_si128(load(at + 16), low);
            bits |= equal(_mm_packus_epi16(a, b), mark) << (sixteen * 16);
        }
        bits
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn every_fourth(first: usize, mark: u8) -> u64 {
        let mut bits = 0;
        for sixteen in 0..4 {
            let at = first + sixteen * 64;
            let packed = _mm_packus_epi16(fourths(at), fourths(at + 32));
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
        for stride in [1, 2, 4] {
            for mark in 0..5 {
                let expected = (0..64)
                    .filter(|&index| bytes[index * stride] == mark)
                    .fold(0, |bits: u64, index| bits | 1 << index);
                if let Some(bits) = marked_bits(first, stride, 64, mark) {
                    assert_eq!(bits, expected, "stride {stride}, mark {mark}");
                }
            }
        }
        assert_eq!(marked_bits(first, 3, 64, 1), None);
        assert_eq!(marked_bits(first, 1, 63, 1), None);
    }
}
