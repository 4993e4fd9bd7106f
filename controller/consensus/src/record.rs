//! The binary form of this crate's own small records: little-endian numbers, length-prefixed bytes, a CRC at the end.
//! Pure; no IO.

/// A record that can't be read: what was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadRecord(pub(crate) String);

/// Appends `crc32(bytes)` to the bytes.
pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Checks and strips the CRC that [`seal`] appended.
pub(crate) fn unseal(bytes: &[u8]) -> Result<&[u8], BadRecord> {
    let Some((body, crc)) = bytes.split_last_chunk::<4>() else {
        return Err(BadRecord(format!("{} bytes are too few", bytes.len())));
    };
    let (stored, computed) = (u32::from_le_bytes(*crc), crc32fast::hash(body));
    if stored == computed {
        Ok(body)
    } else {
        Err(BadRecord(format!("checksum is {computed:08x}, recorded was {stored:08x}")))
    }
}

/// Reads numbers and bytes from the front of a slice.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], BadRecord> {
        if count > self.0.len() {
            return Err(BadRecord(format!("{count} bytes expected, {} left", self.0.len())));
        }
        let (front, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRecord> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, BadRecord> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, BadRecord> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, BadRecord> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn u128(&mut self) -> Result<u128, BadRecord> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], BadRecord> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), BadRecord> {
        if self.0.is_empty() { Ok(()) } else { Err(BadRecord(format!("{} bytes too many", self.0.len()))) }
    }
}

/// Appends length-prefixed bytes. The callers bound the length far below 4 GiB.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a count or length.
pub(crate) fn put_u32(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sealed_record_refuses_any_flipped_bit() {
        let sealed = seal(b"drydock".to_vec());
        assert_eq!(unseal(&sealed).unwrap(), b"drydock");
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(&flipped).is_err(), "bit {bit}");
        }
        assert!(unseal(&sealed[..3]).is_err());
    }

    #[test]
    fn a_reader_never_reads_beyond_the_end() {
        let mut out = Vec::new();
        put_bytes(&mut out, b"abc");
        let mut reader = Reader(&out);
        assert_eq!(reader.bytes().unwrap(), b"abc");
        assert!(reader.end().is_ok());
        assert!(reader.u8().is_err());
        assert!(Reader(&[255, 255, 255, 255, 1]).bytes().is_err());
    }
}
