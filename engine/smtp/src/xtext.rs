//! The encoding of texts in parameters (RFC 3461, 4): what is no graphic ASCII character, `+` and `=` are `+` and two hexadecimal
//! digits.

/// Appends a text in its encoded form.
pub fn encode(text: &[u8], output: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_graphic() && !matches!(byte, b'+' | b'=') {
            output.push(byte);
        } else {
            let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or_default();
            output.extend_from_slice(&[b'+', digit(byte >> 4), digit(byte)]);
        }
    }
}

/// The text that was encoded; `None` if this is no encoding. Digits may be of either case, since not all that speak it heed the
/// standard's upper case.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'+' => {
                let (digits, after) = after.split_first_chunk::<2>()?;
                let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
                decoded.push(u8::try_from(high? << 4 | low?).ok()?);
                after
            }
            b'!'..=b'~' if byte != b'=' => {
                decoded.push(byte);
                after
            }
            _ => return None,
        };
    }
    Some(decoded)
}

/// Whether a text is in encoded form.
pub fn is_encoded(text: &str) -> bool {
    decode(text).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        assert_eq!(decode("Bob@Big-Bucks.COM").unwrap(), b"Bob@Big-Bucks.COM");
        assert_eq!(decode("a+2Bb+3Dc+20d").unwrap(), b"a+b=c d");
        assert_eq!(decode("+2b").unwrap(), b"+");
        for bad in ["a=b", "a b", "+", "+2", "+2G", "+é", "é", "\t"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut encoded = Vec::new();
            encode(&text, &mut encoded);
            prop_assert_eq!(decode(std::str::from_utf8(&encoded).unwrap()), Some(text));
        }
    }
}
