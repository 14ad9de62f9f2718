//! What a WRITE carries arrives in pieces; they are split where the rate or the next WRITE begins.

use bytes::Bytes;

/// Returns how many bytes the pieces hold.
pub(super) fn length_of(pieces: &[Bytes]) -> usize {
    pieces.iter().map(Bytes::len).sum()
}

/// Takes `length` bytes from the front of the pieces.
pub(crate) fn split_front(pieces: &mut Vec<Bytes>, length: usize) -> Vec<Bytes> {
    let mut front = Vec::new();
    let mut missing = length;
    let mut rest = Vec::new();
    for mut piece in pieces.drain(..) {
        let step = missing.min(piece.len());
        if step > 0 {
            front.push(piece.split_to(step));
            missing -= step;
        }
        if !piece.is_empty() {
            rest.push(piece);
        }
    }
    *pieces = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_split_off_whatever_the_pieces() {
        let mut pieces = vec![Bytes::from_static(b"abc"), Bytes::from_static(b"defg")];
        assert_eq!(
            split_front(&mut pieces, 5),
            [Bytes::from_static(b"abc"), Bytes::from_static(b"de")]
        );
        assert_eq!(pieces, [Bytes::from_static(b"fg")]);
        assert_eq!(split_front(&mut pieces, 0), Vec::<Bytes>::new());
    }
}
