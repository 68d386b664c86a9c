//! Text that comes out of certificates, made fit for messages and logs: bounded, and without characters that could act on a terminal or
//! end a log line.

use x509_parser::objects::oid2abbrev;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Longest text of a certificate in a message, in characters.
const MAX_SHOWN: usize = 200;

/// The text with control and invisible characters escaped, cut after [`MAX_SHOWN`] characters.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            out.push('…');
            break;
        }
        match c {
            // `escape_debug` would escape these too, though they do no harm.
            '\'' | '"' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

/// A distinguished name as `CN=dev-1, O=Example`, fit for a message.
pub(super) fn distinguished(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    for (at, rdn) in name.iter().enumerate() {
        for (part, attribute) in rdn.iter().enumerate() {
            out.push_str(match (at, part) {
                (0, 0) => "",
                (_, 0) => ", ",
                _ => " + ",
            });
            push_attribute(&mut out, attribute);
        }
        // The rest would be cut anyway.
        if out.len() > 4 * MAX_SHOWN {
            break;
        }
    }
    if out.is_empty() {
        return "(empty name)".to_owned();
    }
    shown(&out)
}

fn push_attribute(out: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    match oid2abbrev(attribute.attr_type(), x509_parser::objects::oid_registry()) {
        Ok(abbreviation) => out.push_str(abbreviation),
        Err(_) => out.push_str(&attribute.attr_type().to_id_string()),
    }
    out.push('=');
    match attribute.as_str() {
        // A separator inside a value must not look like one between values.
        Ok(text) => text.chars().take(MAX_SHOWN + 1).for_each(|c| {
            if matches!(c, ',' | '+' | '=') {
                out.push('^');
            }
            out.push(c);
        }),
        Err(_) => {
            out.push('#');
            attribute.as_slice().iter().take(MAX_SHOWN).for_each(|byte| out.push_str(&format!("{byte:02x}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        assert_eq!(shown("a\nb\x1b[2J\u{202e}c\0"), "a\\nb\\u{1b}[2J\\u{202e}c\\0");
        assert_eq!(shown("O'Hara \"x\""), "O'Hara \"x\"");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), MAX_SHOWN + 1);
    }
}
