//! Names of temporary upload files: `.sftpgo-upload.<20 characters 0-9a-v>.<name>`. Tools and
//! exclusion lists of installations know this form.

const PREFIX: &[u8] = b".sftpgo-upload.";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const RANDOM: usize = 20;
/// Longest name of a file on Linux.
const NAME_MAX: usize = 255;

/// Returns a fresh temporary name for a file. The name part is cut when all is too long.
pub(super) fn temporary_name(name: &[u8]) -> Vec<u8> {
    let mut temporary = PREFIX.to_vec();
    let random: [u8; RANDOM] = rand::random();
    temporary.extend(random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31))));
    temporary.push(b'.');
    temporary.extend_from_slice(name);
    temporary.truncate(NAME_MAX);
    temporary
}

/// Tells whether a name has the form of a temporary file.
pub(in crate::local) fn is_temporary(name: &[u8]) -> bool {
    let Some((random, rest)) =
        name.strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(RANDOM))
    else {
        return false;
    };
    random.iter().all(|byte| ALPHABET.contains(byte)) && rest.len() > 1 && rest.starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_recognized_and_fit_a_directory() {
        for name in [b"a".to_vec(), vec![b'x'; 255]] {
            let temporary = temporary_name(&name);
            assert!(is_temporary(&temporary) && temporary.len() <= 255);
            assert_ne!(temporary, temporary_name(&name));
        }
        for other in ["a", ".sftpgo-upload.", ".sftpgo-upload.0123456789abcdefghiw.x"] {
            assert!(!is_temporary(other.as_bytes()), "{other}");
        }
        assert!(!is_temporary(b".sftpgo-upload.0123456789abcdefghij."));
    }
}
