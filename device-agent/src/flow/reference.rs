//! Where a hub may send a device to by itself: Server References, judged by the operator's list. Denied by default.

use std::net::{IpAddr, Ipv6Addr};

/// Longest DNS name.
const MAX_NAME: usize = 253;

/// Whether a reference is one `host:port` with a host that the list allows.
pub fn is_allowed(reference: &str, allowed: &[String]) -> bool {
    host_of(reference).is_some_and(|host| allowed.iter().any(|entry| covers(entry, host)))
}

/// The host of `host:port`, without the brackets of an IPv6 address; `None` for anything else.
fn host_of(reference: &str) -> Option<&str> {
    let (host, port) = reference.rsplit_once(':')?;
    // `u16::from_str` would take a sign.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().ok()? == 0 {
        return None;
    }
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => Some(host).filter(|host| is_name(host)),
    }
}

/// Whether a text is a DNS name, or an IPv4 address.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= MAX_NAME && host.split('.').all(is_label)
}

/// Whether an entry of the list covers a host: `hub.example.com` that one, `.example.com` those below.
fn covers(entry: &str, host: &str) -> bool {
    match entry.strip_prefix('.') {
        // An address has nothing below it.
        Some(domain) => {
            !domain.is_empty()
                && host.parse::<IpAddr>().is_err()
                && host.len() > entry.len()
                && host.get(host.len() - entry.len()..).is_some_and(|end| end.eq_ignore_ascii_case(entry))
        }
        None => {
            entry.eq_ignore_ascii_case(host) || entry.strip_prefix('[').and_then(|e| e.strip_suffix(']')) == Some(host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(reference: &str, list: &[&str]) -> bool {
        is_allowed(reference, &list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_host_is_allowed_by_its_name_or_by_a_suffix_whatever_its_case() {
        assert!(allowed("hub-1.example.com:8884", &["hub-1.example.com"]));
        assert!(allowed("HUB-1.Example.com:8884", &["hub-1.exAMPLE.com"]));
        assert!(allowed("a.b.Example.com:8884", &["other", ".example.COM"]));
        assert!(allowed("10.0.0.7:8884", &["10.0.0.7"]));
        assert!(allowed("[fd00::7]:8884", &["fd00::7"]));
        assert!(allowed("[fd00::7]:8884", &["[fd00::7]"]));
    }

    #[test]
    fn nothing_is_allowed_by_an_empty_list_or_an_empty_suffix() {
        for list in [&[][..], &[""], &["."], &[" "]] {
            assert!(!allowed("hub.example.com:8884", list), "{list:?}");
        }
    }

    #[test]
    fn a_suffix_covers_only_what_lies_below_it() {
        for host in ["example.com:1", "badexample.com:1", "example.com.evil.org:1", "evil.org:1"] {
            assert!(!allowed(host, &[".example.com"]), "{host}");
        }
        assert!(!allowed("10.0.0.7:1", &[".0.0.7"]));
    }

    #[test]
    fn anything_odd_is_refused_although_its_end_would_match() {
        let odd = [
            "",
            ":",
            ":1",
            "hub.example.com",
            "hub.example.com:",
            "hub.example.com:0",
            "hub.example.com:+1",
            "hub.example.com:65536",
            "hub.example.com:1 ",
            " hub.example.com:1",
            "hub.example.com:1:1",
            "user@hub.example.com:1",
            "a/b.example.com:1",
            "evil.org:1 hub.example.com:1",
            "evil\0.example.com:1",
            "..example.com:1",
            "hub.example.com.:1",
            "-a.example.com:1",
            "[hub.example.com]:1",
            "[::1:1",
            "h\u{fc}b.example.com:1",
        ];
        for reference in odd {
            assert!(!allowed(reference, &["", "hub.example.com", ".example.com", "::1"]), "{reference:?}");
        }
        assert!(!allowed(&format!("{}.example.com:1", "a.".repeat(200)), &[".example.com"]));
    }
}
