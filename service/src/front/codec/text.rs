//! Rules for text on the wire: strings, topic names, topic filters, and how the two match.

/// The text in `bytes`, or what is wrong with it. MQTT forbids U+0000; surrogates are no UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, &'static str> {
    if bytes.contains(&0) {
        return Err("a text holds the character U+0000");
    }
    std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8")
}

/// Checks a topic name: what one publishes to.
pub fn topic_name(topic: &str) -> Result<(), &'static str> {
    if topic.is_empty() {
        return Err("the topic name is empty");
    }
    if topic.bytes().any(|byte| byte == b'+' || byte == b'#') {
        return Err("the topic name holds a wildcard");
    }
    Ok(())
}

/// Checks a topic filter: what one subscribes to.
pub fn topic_filter(filter: &str) -> Result<(), &'static str> {
    if filter.is_empty() {
        return Err("the topic filter is empty");
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err("in a topic filter `#` stands alone in the last level");
        }
        if level.contains('+') && level != "+" {
            return Err("in a topic filter `+` stands alone in its level");
        }
    }
    Ok(())
}

/// Whether a valid filter matches a valid topic name. A wildcard in the first level does not
/// reach topics that begin with `$`.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut names = topic.split('/');
    for level in filter.split('/') {
        if level == "#" {
            return true;
        }
        match names.next() {
            Some(name) if level == "+" || level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_matches_as_the_specification_says() {
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("sport/#", "sports", false),
            ("#", "a", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("é/+", "é/x", true),
            ("a//b", "a//b", true),
            ("a/b", "a/b/", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn wildcards_stand_alone_in_their_level() {
        for good in ["#", "+", "a/#", "+/+/#", "/", "//", "a/+/b", "é/#", "$share/g/a"] {
            assert_eq!(topic_filter(good), Ok(()), "{good}");
        }
        for bad in ["", "a#", "#/", "a/#/b", "a+", "+a/b", "a/b+/c", "##", "++", "a/+#"] {
            assert!(topic_filter(bad).is_err(), "{bad}");
        }
        for bad in ["", "+", "a/#", "a+b"] {
            assert!(topic_name(bad).is_err(), "{bad}");
        }
        for good in ["/", "a", "é/x", " ", "$x"] {
            assert_eq!(topic_name(good), Ok(()), "{good}");
        }
    }
}
