//! Says serde's messages in the words of a configuration file, with a hint for misspelt names.

/// A name longer than this is no typing mistake, and comparing takes the product of both lengths.
const MAX_HINT_LEN: usize = 64;

/// `message` as serde made it; `table` is the table that an unknown field stands in, such as `[hubs]`.
pub(crate) fn explain(message: &str, table: Option<&str>) -> String {
    if let Some(name) = Unknown::read(message, "unknown field `") {
        return name.tell("unknown field", table);
    }
    if let Some(name) = Unknown::read(message, "unknown variant `") {
        return name.tell("unknown value", None);
    }
    // What the parser says of a choice that is a number, a list and so on.
    if message == "wanted string or table" {
        return "invalid type: expected text, in quotes".to_owned();
    }
    match message.rsplit_once(", expected ") {
        Some((found, expected)) => format!("{}, expected {}", found_in_words(found), expected_in_words(expected)),
        None => message.to_owned(),
    }
}

struct Unknown<'m> {
    name: &'m str,
    /// As serde wrote it: "one of `a`, `b`, `c`", "`a` or `b`", "`a`"; nothing if there are no names at all.
    expected: Option<&'m str>,
}

impl<'m> Unknown<'m> {
    fn read(message: &'m str, start: &str) -> Option<Self> {
        let rest = message.strip_prefix(start)?;
        // From the right: the unknown name may contain anything, the known ones may not.
        if let Some((name, expected)) = rest.rsplit_once("`, expected ") {
            return Some(Self { name, expected: Some(expected) });
        }
        let (name, _) = rest.rsplit_once("`, there are no ")?;
        Some(Self { name, expected: None })
    }

    fn tell(&self, what: &str, table: Option<&str>) -> String {
        let name = self.name;
        let place = table.map(|table| format!(" in {table}")).unwrap_or_default();
        let Some(expected) = self.expected else {
            return format!("{what} `{name}`{place}, nothing can be set here");
        };
        match nearest(name, expected.split('`').skip(1).step_by(2)) {
            Some(near) => format!("{what} `{name}`{place}, did you mean `{near}`?"),
            None => format!("{what} `{name}`{place}, expected {expected}"),
        }
    }
}

fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > MAX_HINT_LEN {
        return None;
    }
    // `max-size`, `maxSize` and `max_size` are meant to be the same.
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(name);
    known
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(wanted.chars().count()) / 3).max(1))
        // One of two letters matches nearly everything of two letters.
        .filter(|(distance, candidate)| *distance < plain(candidate).chars().count().max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn found_in_words(found: &str) -> String {
    match found {
        "invalid type: map" => "invalid type: table".to_owned(),
        "invalid type: sequence" => "invalid type: array".to_owned(),
        other => other.to_owned(),
    }
}

fn expected_in_words(expected: &str) -> String {
    let whole = |low: &str, high: &str| format!("a whole number from {low} to {high}");
    match expected {
        "u8" => whole("0", &u8::MAX.to_string()),
        "u16" => whole("0", &u16::MAX.to_string()),
        "u32" => whole("0", &u32::MAX.to_string()),
        "i8" => whole(&i8::MIN.to_string(), &i8::MAX.to_string()),
        "i16" => whole(&i16::MIN.to_string(), &i16::MAX.to_string()),
        "i32" => whole(&i32::MIN.to_string(), &i32::MAX.to_string()),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "a table".to_owned(),
        "a sequence" => "an array".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => match other.strip_prefix("a nonzero ") {
            Some("u8") => whole("1", &u8::MAX.to_string()),
            Some("u16") => whole("1", &u16::MAX.to_string()),
            Some("u32") => whole("1", &u32::MAX.to_string()),
            Some("u64" | "usize") => "a whole number, 1 or more".to_owned(),
            _ => other.to_owned(),
        },
    }
}
