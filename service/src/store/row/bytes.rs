//! Packing and unpacking of rows.

use super::RowError;

/// What is left of a row.
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], RowError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(RowError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], RowError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(RowError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn u8(&mut self) -> Result<u8, RowError> {
        self.array().map(|[byte]| *byte)
    }

    pub fn u16(&mut self) -> Result<u16, RowError> {
        self.array().map(|bytes| u16::from_le_bytes(*bytes))
    }

    pub fn u32(&mut self) -> Result<u32, RowError> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub fn u64(&mut self) -> Result<u64, RowError> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    pub fn text(&mut self, len: usize, name: &'static str) -> Result<&'a str, RowError> {
        std::str::from_utf8(self.take(len)?).map_err(|_| RowError::Text(name))
    }

    /// Text after its length in one byte.
    pub fn short_text(&mut self, name: &'static str) -> Result<&'a str, RowError> {
        let len = self.u8()?;
        self.text(usize::from(len), name)
    }

    /// Text after its length in two bytes.
    pub fn medium_text(&mut self, name: &'static str) -> Result<&'a str, RowError> {
        let len = self.u16()?;
        self.text(usize::from(len), name)
    }

    /// Bytes after their length in four bytes.
    pub fn block(&mut self) -> Result<&'a [u8], RowError> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    /// To be called at the row's end.
    pub fn end(self) -> Result<(), RowError> {
        match self.0.len() {
            0 => Ok(()),
            rest => Err(RowError::Trailing(rest)),
        }
    }
}

/// Writing of what [`Bytes`] reads.
pub(super) trait Pack {
    fn bytes(&mut self, bytes: &[u8]);

    fn u8(&mut self, number: u8) {
        self.bytes(&[number]);
    }

    fn u32(&mut self, number: u32) {
        self.bytes(&number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// A length or a number of things in one byte.
    fn short(&mut self, field: &'static str, len: usize) -> Result<(), RowError> {
        self.u8(u8::try_from(len).map_err(|_| too_long(field, len, u8::MAX.into()))?);
        Ok(())
    }

    /// A length or a number of things in two bytes.
    fn medium(&mut self, field: &'static str, len: usize) -> Result<(), RowError> {
        let len = u16::try_from(len).map_err(|_| too_long(field, len, u16::MAX.into()))?;
        self.bytes(&len.to_le_bytes());
        Ok(())
    }

    /// A length or a number of things in four bytes.
    fn long(&mut self, field: &'static str, len: usize) -> Result<(), RowError> {
        self.u32(u32::try_from(len).map_err(|_| too_long(field, len, u32::MAX as usize))?);
        Ok(())
    }

    fn short_text(&mut self, field: &'static str, text: &str) -> Result<(), RowError> {
        self.short(field, text.len())?;
        self.bytes(text.as_bytes());
        Ok(())
    }

    fn medium_text(&mut self, field: &'static str, text: &str) -> Result<(), RowError> {
        self.medium(field, text.len())?;
        self.bytes(text.as_bytes());
        Ok(())
    }

    fn block(&mut self, field: &'static str, bytes: &[u8]) -> Result<(), RowError> {
        self.long(field, bytes.len())?;
        self.bytes(bytes);
        Ok(())
    }
}

impl Pack for Vec<u8> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

pub(super) fn too_long(field: &'static str, len: usize, max: usize) -> RowError {
    RowError::TooLong { field, len, max }
}

/// The flags that are set.
pub(super) fn flags(flags: &[(bool, u8)]) -> u8 {
    flags.iter().map(|(set, flag)| if *set { *flag } else { 0 }).sum()
}
