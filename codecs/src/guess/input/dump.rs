//! Hex as pasted by people: in groups, with `0x`, as a C array, or as printed by hexdump, xxd and Wireshark.

use crate::encoding::hex_value;

/// More than a capture of one connection holds; a larger dump is refused.
const MOST: usize = 16 << 20;

/// The bytes of a text in hex; `None` if it is not hex.
pub fn bytes_of(text: &str) -> Option<Vec<u8>> {
    with_offsets(text).or_else(|| plain(text))
}

/// Digits with the separators that may be between bytes.
fn plain(text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\\x", " ").replace("0x", " ").replace("0X", " ");
    let mut digits = Vec::with_capacity(text.len());
    for char in text.bytes() {
        match (hex_value(char), char) {
            (Some(value), _) => digits.push(value),
            (None, b',' | b':' | b';' | b'-' | b'{' | b'}' | b'[' | b']' | b'"' | b'\'') => {}
            (None, blank) if blank.is_ascii_whitespace() => {}
            _ => return None,
        }
    }
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Lines that begin with the offset of their first byte.
fn with_offsets(text: &str) -> Option<Vec<u8>> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let base = lines.first().and_then(|line| offset(line))?.0;
    let mut bytes = Vec::new();
    let mut repeated = false;
    let mut width = 16;
    for (index, line) in lines.iter().enumerate() {
        if *line == "*" {
            repeated = true;
            continue;
        }
        let (at, rest) = offset(line)?;
        let at = at.checked_sub(base).filter(|at| *at <= MOST)?;
        if std::mem::take(&mut repeated) {
            let line = bytes.get(bytes.len().checked_sub(width)?..)?.to_vec();
            bytes.extend(line.iter().cycle().take(at.checked_sub(bytes.len())?));
        }
        if at != bytes.len() {
            return None;
        }
        let next = lines.get(index + 1).and_then(|next| offset(next)).and_then(|(next, _)| next.checked_sub(base));
        let most = next.and_then(|next| next.checked_sub(at)).filter(|width| *width > 0).unwrap_or(width);
        let found = columns(rest, most);
        if found.is_empty() && index + 1 < lines.len() {
            return None;
        }
        if index == 0 && !found.is_empty() {
            width = found.len();
        }
        bytes.extend(found);
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// A line's offset: at least four hex digits, separated from the rest.
fn offset(line: &str) -> Option<(usize, &str)> {
    let end = line.find(|char: char| !char.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(end);
    let apart = rest.is_empty() || rest.starts_with(": ") || rest.starts_with("  ") || rest.starts_with(' ');
    let columns = rest.starts_with(": ") || rest.starts_with("  ") || rest.is_empty() || is_bytes(rest);
    ((4..=8).contains(&digits.len()) && apart && columns)
        .then(|| usize::from_str_radix(digits, 16).ok())?
        .map(|at| (at, rest.strip_prefix(':').unwrap_or(rest)))
}

/// Whether the text after an offset and one blank is bytes of two digits, as od prints them; groups of another width
/// would be part of the message.
fn is_bytes(rest: &str) -> bool {
    rest.split_whitespace().take(4).all(|group| group.len() == 2 && group.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The bytes of a line, up to `most` or to the column of characters.
fn columns(rest: &str, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut blanks = 0;
    let mut chars = rest.bytes().peekable();
    while let Some(char) = chars.next() {
        if char == b' ' || char == b'\t' {
            blanks += 1;
            continue;
        }
        // on a short line the column of characters is far to the right
        if bytes.len() >= most || (blanks >= 3 && !bytes.is_empty()) {
            break;
        }
        let Some((high, low)) = hex_value(char).zip(chars.peek().and_then(|next| hex_value(*next))) else { break };
        chars.next();
        blanks = 0;
        bytes.push(high << 4 | low);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"0800\x82\x20\0\0\0\0\0\0\x04\0\0\0\0\0\0\x001125161336000255301";

    #[test]
    fn hex_in_every_shape_is_the_same_bytes() {
        let plain = crate::encoding::to_hex(MESSAGE);
        let blanks = "30 38 30 30 82 20 00 00 00 00 00 00 04 00 00 00\n00 00 00 00 31 31 32 35 31 36 31 33 33 36 30 30\n30 32 35 35 33 30 31";
        let hexdump = "00000000  30 38 30 30 82 20 00 00  00 00 00 00 04 00 00 00  |0800. ..........|\n\
            00000010  00 00 00 00 31 31 32 35  31 36 31 33 33 36 30 30  |....112516133600|\n\
            00000020  30 32 35 35 33 30 31                              |0255301|\n00000027\n";
        let xxd = "00000000: 3038 3030 8220 0000 0000 0000 0400 0000  0800. ..........\n\
            00000010: 0000 0000 3131 3235 3136 3133 3336 3030  ....112516133600\n\
            00000020: 3032 3535 3330 31                        0255301\n";
        let wireshark = "0000   30 38 30 30 82 20 00 00 00 00 00 00 04 00 00 00   0800. ..........\n\
            0010   00 00 00 00 31 31 32 35 31 36 31 33 33 36 30 30   ....112516133600\n\
            0020   30 32 35 35 33 30 31                              0255301\n";
        let od = "000000 30 38 30 30 82 20 00 00 00 00 00 00 04 00 00 00  >0800. ..........<\n\
            000010 00 00 00 00 31 31 32 35 31 36 31 33 33 36 30 30  >....112516133600<\n\
            000020 30 32 35 35 33 30 31                             >0255301<\n000027\n";
        let array = format!("{{{}}}", MESSAGE.iter().map(|b| format!("0x{b:02x}, ")).collect::<String>());
        for (shape, text) in [
            ("plain", plain.as_str()),
            ("lower", &plain.to_lowercase()),
            ("blanks", blanks),
            ("hexdump -C", hexdump),
            ("xxd", xxd),
            ("Wireshark", wireshark),
            ("od", od),
            ("array", &array),
        ] {
            assert_eq!(bytes_of(text).as_deref(), Some(MESSAGE), "{shape}");
        }
    }

    #[test]
    fn a_repeated_line_is_filled_in() {
        let dump = "0000  00 00 00 00  ....\n*\n0010  31  1\n0011\n";
        assert_eq!(bytes_of(dump), Some([vec![0; 16], vec![0x31]].concat()));
    }

    #[test]
    fn what_is_no_hex_is_none() {
        for text in ["0200 hello", "303", "MTI 0200", "0000  zz"] {
            assert_eq!(bytes_of(text), None, "{text}");
        }
        // groups of four digits are no offsets
        assert_eq!(bytes_of("0800 8220"), Some(vec![8, 0, 0x82, 0x20]));
    }
}
