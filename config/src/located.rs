//! A value that remembers where it was written.

use std::ops::Deref;
use std::{cmp, fmt, hash};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::Spanned;

use crate::source::Span;

/// A value and its [`Span`], for checks that serde cannot do: "hub `x` is not listed".
///
/// Compares, hashes and displays as the value alone. Works wherever serde sees the TOML itself, that is, not below
/// `#[serde(flatten)]`, `untagged` or internally tagged enums: those copy the value first and lose its place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Located<T> {
    value: T,
    span: Span,
}

impl<T> Located<T> {
    pub fn span(&self) -> Span {
        self.span
    }

    pub fn into_inner(self) -> T {
        self.value
    }
}

/// A value that nobody wrote, such as a built-in default.
impl<T> From<T> for Located<T> {
    fn from(value: T) -> Self {
        Self { value, span: Span::default() }
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { span: spanned.span().into(), value: spanned.into_inner() })
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

impl<T: PartialOrd> PartialOrd for Located<T> {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<T: Ord> Ord for Located<T> {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: hash::Hash> hash::Hash for Located<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
