//! What a series rose by, slot after slot, in few bytes: only slots and cells that saw something, as variable-length
//! integers (LEB128).
//!
//! ```text
//! entry = slots since the entry before, number of cells, (cells since the cell before, value)…
//! ```

use std::collections::VecDeque;

/// Number of an interval on the wall clock: Unix time divided by the tier's step.
pub(super) type Slot = u32;

/// A packed series, oldest entry first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Packed {
    bytes: VecDeque<u8>,
    /// What the first entry's slot counts from.
    before: Slot,
    last: Slot,
}

impl Packed {
    /// What was packed before, as [`Packed::bytes`] and [`Packed::before`] gave it. What does not unpack is dropped.
    pub(super) fn from_bytes(before: Slot, bytes: &[u8]) -> Self {
        let mut packed = Self {
            bytes: bytes.iter().copied().collect(),
            before,
            last: before,
        };
        let (mut entries, mut cells) = (packed.entries(), vec![]);
        let (mut last, mut whole) = (before, 0);
        while let Some(slot) = entries.next(&mut cells) {
            (last, whole) = (slot, entries.at);
        }
        packed.bytes.truncate(whole);
        packed.last = last;
        packed
    }

    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.bytes.iter().copied()
    }

    pub(super) fn before(&self) -> Slot {
        self.before
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a slot, which must be later than all others. A slot of zeros takes no place.
    pub(super) fn push(&mut self, slot: Slot, cells: &[u64]) {
        let count = cells.iter().filter(|cell| **cell > 0).count();
        if count == 0 {
            return;
        }
        if self.bytes.is_empty() {
            (self.before, self.last) = (slot, slot);
        }
        debug_assert!(slot >= self.last);
        self.write(u64::from(slot - self.last));
        self.write(count as u64);
        let mut next = 0;
        for (cell, value) in cells.iter().enumerate().filter(|(_, value)| **value > 0) {
            self.write((cell - next) as u64);
            self.write(*value);
            next = cell;
        }
        self.last = slot;
    }

    /// Forgets the slots up to this one.
    pub(super) fn forget(&mut self, up_to: Slot) {
        let (mut entries, mut cells) = (self.entries(), vec![]);
        let (mut before, mut gone) = (self.before, 0);
        while let Some(slot) = entries.next(&mut cells)
            && slot <= up_to
        {
            (before, gone) = (slot, entries.at);
        }
        if gone > 0 {
            self.before = before;
            self.bytes.drain(..gone);
        }
        // A ring that once held a busy hour must not keep its memory for ever.
        if self.bytes.capacity() > 2 * self.bytes.len() + 256 {
            self.bytes.shrink_to(self.bytes.len() + self.bytes.len() / 4);
        }
    }

    pub(super) fn entries(&self) -> Entries<'_> {
        Entries {
            packed: self,
            at: 0,
            slot: self.before,
        }
    }

    fn write(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push_back(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push_back(value as u8);
    }
}

/// Unpacks entry by entry.
pub(super) struct Entries<'a> {
    packed: &'a Packed,
    at: usize,
    slot: Slot,
}

impl Entries<'_> {
    /// The next entry's slot; its cells with their values replace what `cells` held.
    pub(super) fn next(&mut self, cells: &mut Vec<(usize, u64)>) -> Option<Slot> {
        cells.clear();
        let gap = Slot::try_from(self.read()?).ok()?;
        self.slot = self.slot.checked_add(gap)?;
        let mut cell = 0usize;
        for _ in 0..self.read()? {
            cell = cell.checked_add(usize::try_from(self.read()?).ok()?)?;
            cells.push((cell, self.read()?));
        }
        Some(self.slot)
    }

    fn read(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.packed.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacked(packed: &Packed) -> Vec<(Slot, Vec<(usize, u64)>)> {
        let (mut entries, mut cells, mut all) = (packed.entries(), vec![], vec![]);
        while let Some(slot) = entries.next(&mut cells) {
            all.push((slot, cells.clone()));
        }
        all
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out(
            slots in prop::collection::btree_map(1u32..1_000_000, prop::collection::vec(prop_oneof![3 => Just(0), 1 => any::<u64>()], 0..30), 0..20),
            forget in 0u32..1_000_000,
        ) {
            let mut packed = Packed::default();
            for (slot, cells) in &slots {
                packed.push(*slot, cells);
            }
            let expect = |from: Slot| -> Vec<_> {
                let cells = |cells: &[u64]| cells.iter().copied().enumerate().filter(|(_, v)| *v > 0).collect::<Vec<_>>();
                slots.iter().map(|(slot, c)| (*slot, cells(c))).filter(|(slot, c)| *slot > from && !c.is_empty()).collect()
            };
            prop_assert_eq!(unpacked(&packed), expect(0));
            packed.forget(forget);
            prop_assert_eq!(unpacked(&packed), expect(forget));
            let bytes: Vec<u8> = packed.bytes().collect();
            prop_assert_eq!(Packed::from_bytes(packed.before(), &bytes).entries_len(), packed.entries_len());
        }

        #[test]
        fn bytes_of_any_kind_do_no_harm(bytes: Vec<u8>, before: u32) {
            let mut packed = Packed::from_bytes(before, &bytes);
            let kept = unpacked(&packed);
            packed.push(Slot::MAX, &[1]);
            prop_assert_eq!(unpacked(&packed).len(), kept.len() + 1);
        }
    }

    impl Packed {
        fn entries_len(&self) -> usize {
            unpacked(self).len()
        }
    }
}
