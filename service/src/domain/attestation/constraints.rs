//! Name constraints and the common name (rule B3).
//!
//! Path validation applies DNS constraints to alternative names only, while the identity here is the common name: a CA that may issue for
//! `example.com` alone could otherwise name a device `dev-1.example.org`. A common name that has the form of a DNS name with a dot is
//! therefore held to them; any other is no DNS name and stays free, as CAs that exclude all DNS names do not mean devices.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree};

/// Whether the CA's DNS constraints let it name a device so. Constraints that cannot be read let it name none.
pub(super) fn allow_common_name(ca: &X509Certificate<'_>, name: &str) -> bool {
    let Ok(constraints) = ca.name_constraints() else { return false };
    let Some(constraints) = constraints.map(|extension| extension.value) else { return true };
    if !is_dns_name(name) {
        return true;
    }
    let mut permitted = dns_names(constraints.permitted_subtrees.as_deref()).peekable();
    let mut excluded = dns_names(constraints.excluded_subtrees.as_deref());
    let inside = permitted.peek().is_none() || permitted.any(|base| is_below(name, base));
    inside && !excluded.any(|base| is_below(name, base))
}

/// Whether the CA is constrained in a way that path validation answers by refusing every certificate.
pub(super) fn refuse_all(ca: &X509Certificate<'_>) -> bool {
    let Ok(Some(constraints)) = ca.name_constraints() else { return false };
    let subtrees = [&constraints.value.permitted_subtrees, &constraints.value.excluded_subtrees];
    subtrees.into_iter().flatten().flatten().any(|subtree| matches!(subtree.base, GeneralName::DirectoryName(_)))
}

fn dns_names<'a>(subtrees: Option<&'a [GeneralSubtree<'a>]>) -> impl Iterator<Item = &'a str> {
    subtrees.unwrap_or_default().iter().filter_map(|subtree| match subtree.base {
        GeneralName::DNSName(name) => Some(name),
        _ => None,
    })
}

fn is_dns_name(name: &str) -> bool {
    name.contains('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn is_below(name: &str, base: &str) -> bool {
    let base = base.strip_prefix('.').unwrap_or(base).as_bytes();
    let name = name.as_bytes();
    let Some(split) = name.len().checked_sub(base.len()) else { return false };
    let (front, back) = name.split_at(split);
    back.eq_ignore_ascii_case(base) && (base.is_empty() || front.last().is_none_or(|byte| *byte == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_below_its_own_domain_and_no_other() {
        for (name, base, expected) in [
            ("dev.example.com", "example.com", true),
            ("example.com", "example.com", true),
            ("dev.EXAMPLE.com", "Example.Com", true),
            ("dev.example.com", ".example.com", true),
            ("dev.example.com", "", true),
            ("devexample.com", "example.com", false),
            ("dev.example.org", "example.com", false),
            ("com", "example.com", false),
        ] {
            assert_eq!(is_below(name, base), expected, "{name} {base}");
        }
    }
}
