//! Texts eight bytes at a time, in plain integers: for short ones that costs less than vectors, which must first be filled.
//! The tests on bytes are those of H. S. Warren, "Hacker's Delight", 6-1.

/// Calls `with` for words that together are a text; some overlap the one before, and a text shorter than a word is repeated
/// in it. Two texts of one length have the same words only if they are the same.
#[inline(always)]
pub(crate) fn for_each(text: &[u8], mut with: impl FnMut(u64)) {
    let Some(last) = text.last_chunk() else {
        return with(short(text));
    };
    let (whole, _) = text.as_chunks();
    if let [first] | [first, _] | [first, _, _] = whole
        && let Some(second) = text.get(8.min(text.len() - 8)..).and_then(<[u8]>::first_chunk)
        && text.len() <= 24
    {
        // Three words whatever the length, so that no branch depends on it.
        with(u64::from_le_bytes(*first));
        with(u64::from_le_bytes(*second));
    } else {
        for word in whole {
            with(u64::from_le_bytes(*word));
        }
    }
    with(u64::from_le_bytes(*last));
}

/// Less than eight bytes in a word, without a loop whose end nobody can foretell. No bytes are all zeros.
#[inline(always)]
fn short(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    match text {
        [] => 0,
        [only] => each(*only),
        [first, .., last] => {
            let middle = text.get(text.len() / 2).unwrap_or(last);
            u64::from_le_bytes([*first, *middle, *last, *first, *middle, *last, *first, *last])
        }
    }
}

/// Words that [`whole`] makes of a text.
pub(crate) const WHOLE: usize = 6;

/// A text of up to 48 bytes as words, each passed through `with`; some overlap the one before, and those left are zero. Two
/// texts of one length have the same words only if they are the same.
#[inline(always)]
pub(crate) fn whole(text: &[u8], mut with: impl FnMut(u64) -> u64) -> Option<[u64; WHOLE]> {
    let mut word = |from: usize| {
        let from = from.min(text.len().checked_sub(8)?);
        Some(with(u64::from_le_bytes(*text.get(from..)?.first_chunk()?)))
    };
    match text.len() {
        // Few lengths, so that few branches depend on them.
        8..=24 => Some([word(0)?, word(8)?, word(16)?, 0, 0, 0]),
        25..=48 => Some([word(0)?, word(8)?, word(16)?, word(24)?, word(32)?, word(40)?]),
        0..8 => Some([with(short(text)), 0, 0, 0, 0, 0]),
        _ => None,
    }
}

/// A byte in each of the eight places.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH: u64 = each(0x80);

/// Whether a byte of `word` is `byte`.
#[inline]
pub(crate) const fn has(word: u64, byte: u8) -> bool {
    has_below(word ^ each(byte), 1)
}

/// Whether a byte of `word` is below `limit`, which is at most 128.
#[inline]
pub(crate) const fn has_below(word: u64, limit: u8) -> bool {
    word.wrapping_sub(each(limit)) & !word & HIGH != 0
}

/// Whether a byte of `word` is a space, a control character of ASCII, or `DEL`.
#[inline]
pub(crate) const fn has_space_or_control(word: u64) -> bool {
    // The high bit of each byte that is 0x7f, whatever its own high bit.
    let delete = (word & !HIGH) + each(1);
    (word.wrapping_sub(each(b' ' + 1)) | delete) & !word & HIGH != 0
}

/// The same word with `0` for every digit.
#[inline]
pub(crate) const fn without_digits(word: u64) -> u64 {
    // Of a digit, `0x30` to `0x39`, the low half.
    word & !((digits(word) >> 7) * 0xf)
}

/// How many digits a word, as it stands in memory, begins with.
#[inline]
pub(crate) const fn leading_digits(word: u64) -> usize {
    (digits(word) ^ HIGH).trailing_zeros() as usize / 8
}

/// The places of the first two bytes of a word that are no digits; 8 where there is none.
#[inline]
pub(crate) const fn not_digits(word: u64) -> (usize, usize) {
    let others = digits(word) ^ HIGH;
    let behind = others & others.wrapping_sub(1);
    (
        others.trailing_zeros() as usize / 8,
        behind.trailing_zeros() as usize / 8,
    )
}

/// The high bit of each byte that is a digit.
#[inline]
const fn digits(word: u64) -> u64 {
    let low = word & !HIGH;
    // The high bit of each byte that is at least `0`, and of each that is above `9`.
    let (from_zero, above_nine) = (low + each(0x80 - b'0'), low + each(0x7f - b'9'));
    from_zero & !above_nine & !word & HIGH
}

/// Whether two texts are the same. Most that are compared line by line, addresses and time stamps, have 8 to 32 bytes.
#[inline(always)]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(first), Some(other)) = (ends::<16>(a), ends::<16>(b))
        && a.len() <= 32
    {
        let of = |[first, last]: [[u8; 16]; 2]| (u128::from_le_bytes(first), u128::from_le_bytes(last));
        return of(first) == of(other);
    }
    if let (Some(first), Some(other)) = (ends::<8>(a), ends::<8>(b))
        && a.len() <= 16
    {
        let of = |[first, last]: [[u8; 8]; 2]| (u64::from_le_bytes(first), u64::from_le_bytes(last));
        return of(first) == of(other);
    }
    a == b
}

/// The first and the last bytes of a text; they overlap where it is short.
#[inline(always)]
fn ends<const N: usize>(text: &[u8]) -> Option<[[u8; N]; 2]> {
    Some([*text.first_chunk()?, *text.last_chunk()?])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_byte_by_byte(text in prop::collection::vec(any::<u8>(), 0..40), byte: u8, limit in 0..=128_u8) {
            let words = |text: &[u8]| {
                let mut words = vec![];
                for_each(text, |word| words.push(word));
                words
            };
            if text.len() >= 8 {
                prop_assert_eq!(words(&text).into_iter().any(|word| has(word, byte)), text.contains(&byte));
                let space_or_control = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
                prop_assert_eq!(words(&text).into_iter().any(has_space_or_control), text.iter().any(space_or_control));
                prop_assert_eq!(words(&text).into_iter().any(|word| has_below(word, limit)), text.iter().any(|byte| *byte < limit));
            }
            let known = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if let Some(word) = text.first_chunk() {
                prop_assert_eq!(leading_digits(u64::from_le_bytes(*word)), known.min(8));
                let mut others = word.iter().enumerate().filter(|(_, byte)| !byte.is_ascii_digit()).map(|(at, _)| at);
                let others = (others.next().unwrap_or(8), others.next().unwrap_or(8));
                prop_assert_eq!(not_digits(u64::from_le_bytes(*word)), others);
            }
            prop_assert!(same(&text, &text.clone()));
            if let Some((_, shorter)) = text.split_last() {
                prop_assert!(!same(&text, shorter) && !same(shorter, &text));
                let mut other = text.clone();
                other[shorter.len()] ^= 1;
                prop_assert!(!same(&text, &other));
            }
            let zeros: Vec<u8> = text.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }).collect();
            prop_assert_eq!(whole(&text, without_digits), whole(&zeros, |word| word));
            let masked: Vec<u64> = words(&text).into_iter().map(without_digits).collect();
            prop_assert_eq!(masked, words(&zeros));
            let mut other = text.clone();
            if let Some(first) = other.first_mut() {
                *first = first.wrapping_add(1);
                prop_assert_ne!(words(&text), words(&other));
                prop_assert!(!same(&text, &other));
                prop_assert_ne!(whole(&text, |word| word), whole(&other, |word| word));
            }
        }
    }
}
