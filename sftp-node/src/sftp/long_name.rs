//! The `ls -l` line of a directory entry. FileZilla and others read the file type from its first
//! letter, so it always agrees with the attributes. Times are UTC.

use ferryd_storage::{FileKind, Metadata};

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// Entries older than this show the year instead of the time.
const HALF_A_YEAR: i64 = 182 * 86_400;

/// Appends the line. `now` is Unix time in seconds.
pub(super) fn put(buffer: &mut Vec<u8>, name: &[u8], entry: &Metadata, now: i64) {
    put_mode(buffer, entry);
    put_number(buffer, entry.links, 5);
    buffer.push(b' ');
    put_left(buffer, u64::from(entry.uid), 8);
    buffer.push(b' ');
    put_left(buffer, u64::from(entry.gid), 8);
    put_number(buffer, entry.size, 9);
    buffer.push(b' ');
    put_time(buffer, entry.modified, now);
    buffer.push(b' ');
    buffer.extend_from_slice(name);
}

fn put_mode(buffer: &mut Vec<u8>, entry: &Metadata) {
    buffer.push(type_letter(entry));
    for (shift, special, letter) in [(6u32, 0o4000, b's'), (3, 0o2000, b's'), (0, 0o1000, b't')] {
        let bits = entry.mode >> shift & 7;
        buffer.push(if bits & 4 != 0 { b'r' } else { b'-' });
        buffer.push(if bits & 2 != 0 { b'w' } else { b'-' });
        buffer.push(match (bits & 1 != 0, entry.mode & special != 0) {
            (true, false) => b'x',
            (false, false) => b'-',
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
        });
    }
}

fn type_letter(entry: &Metadata) -> u8 {
    match (entry.kind, entry.mode & 0o170_000) {
        (FileKind::Directory, _) => b'd',
        (FileKind::Symlink, _) => b'l',
        (FileKind::File, _) => b'-',
        (FileKind::Special, 0o010_000) => b'p',
        (FileKind::Special, 0o020_000) => b'c',
        (FileKind::Special, 0o060_000) => b'b',
        (FileKind::Special, _) => b's',
    }
}

fn digits(mut number: u64, out: &mut [u8; 20]) -> usize {
    let mut start = out.len();
    loop {
        start -= 1;
        if let Some(place) = out.get_mut(start) {
            *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        }
        number /= 10;
        if number == 0 {
            return start;
        }
    }
}

/// Appends a number after at least one blank, right-aligned.
fn put_number(buffer: &mut Vec<u8>, number: u64, width: usize) {
    let mut text = [0; 20];
    let start = digits(number, &mut text);
    let length = text.len() - start;
    buffer.resize(buffer.len() + width.saturating_sub(length).max(1), b' ');
    buffer.extend_from_slice(text.get(start..).unwrap_or_default());
}

/// Appends a number, left-aligned.
fn put_left(buffer: &mut Vec<u8>, number: u64, width: usize) {
    let mut text = [0; 20];
    let start = digits(number, &mut text);
    let length = text.len() - start;
    buffer.extend_from_slice(text.get(start..).unwrap_or_default());
    buffer.resize(buffer.len() + width.saturating_sub(length), b' ');
}

fn put_two(buffer: &mut Vec<u8>, number: i64, fill: u8) {
    let tens = u8::try_from(number / 10 % 10).unwrap_or(0);
    let ones = u8::try_from(number % 10).unwrap_or(0);
    buffer.push(if tens == 0 { fill } else { b'0' + tens });
    buffer.push(b'0' + ones);
}

fn put_time(buffer: &mut Vec<u8>, unix: i64, now: i64) {
    let (year, month, day) = civil(unix.div_euclid(86_400));
    let second = unix.rem_euclid(86_400);
    buffer.extend_from_slice(MONTHS.get(month).copied().unwrap_or(b"Jan"));
    buffer.push(b' ');
    put_two(buffer, day, b' ');
    buffer.push(b' ');
    if (now - HALF_A_YEAR..=now + 3600).contains(&unix) {
        put_two(buffer, second / 3600, b'0');
        buffer.push(b':');
        put_two(buffer, second / 60 % 60, b'0');
    } else {
        put_number(buffer, u64::try_from(year).unwrap_or(0), 5);
    }
}

/// Returns year, month (0..12) and day of the month for a number of days since 1970, in the
/// proleptic Gregorian calendar counted from a March 1st.
fn civil(days: i64) -> (i64, usize, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(march_month >= 10);
    (year, usize::try_from(month).unwrap_or(0), day)
}

#[cfg(test)]
mod tests {
    use ferryd_storage::FileId;

    use super::*;

    fn line(kind: FileKind, mode: u32, modified: i64, now: i64) -> String {
        let entry = Metadata {
            kind,
            size: 1234,
            mode,
            uid: 1000,
            gid: 100,
            links: 1,
            accessed: 0,
            modified,
            file_id: FileId::default(),
        };
        let mut buffer = Vec::new();
        put(&mut buffer, b"name", &entry, now);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn lines_look_as_those_of_ls() {
        let now = 1_764_000_000; // 2025-11-24 16:00 UTC
        assert_eq!(
            line(FileKind::File, 0o100_644, now - 60, now),
            "-rw-r--r--    1 1000     100          1234 Nov 24 15:59 name"
        );
        assert_eq!(
            line(FileKind::Directory, 0o040_755, 951_782_400, now),
            "drwxr-xr-x    1 1000     100          1234 Feb 29  2000 name"
        );
    }

    #[test]
    fn special_bits_take_the_place_of_the_x() {
        assert!(line(FileKind::Directory, 0o041_777, 0, 0).starts_with("drwxrwxrwt "));
        assert!(line(FileKind::Directory, 0o041_770, 0, 0).starts_with("drwxrwx--T "));
        assert!(line(FileKind::File, 0o106_754, 0, 0).starts_with("-rwsr-sr-- "));
        assert!(line(FileKind::File, 0o106_644, 0, 0).starts_with("-rwSr-Sr-- "));
    }

    #[test]
    fn the_first_letter_is_the_kind() {
        assert!(line(FileKind::Symlink, 0o120_777, 0, 0).starts_with("lrwxrwxrwx"));
        assert!(line(FileKind::Special, 0o010_600, 0, 0).starts_with('p'));
    }
}
