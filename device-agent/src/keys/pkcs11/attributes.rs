//! The attributes of a `pkcs11:` URI: `name=value` with percent-encoded bytes, each at most once.

use std::collections::BTreeMap;

/// Why a URI is refused. Values are never quoted: one of them may be a PIN in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("it is too long")]
    Long,
    #[error("one of its parts is no name=value; path attributes are separated by \";\", those after \"?\" by \"&\"")]
    NoPair,
    #[error("{0} is there twice")]
    Twice(String),
    #[error("{0} is empty")]
    Empty(String),
    #[error("{0} has a character that must be percent-encoded, or a \"%\" without two hexadecimal digits")]
    Encoding(String),
    #[error("{0} is not UTF-8 text")]
    NotText(&'static str),
    #[error("{0} is not a number")]
    NotANumber(&'static str),
    #[error(
        "{0:?} is not understood here; token, manufacturer, serial, model, slot-id, object, id and type are, and after \"?\" module-path and \
         pin-source"
    )]
    Unknown(String),
    #[error("its type must be \"private\", or left out: it has to name a private key")]
    Type,
    #[error("it must end with ?module-path= and the file of the token's PKCS#11 module")]
    NoModule,
    #[error(
        "a PIN has no place in a configuration; put it into a file with mode 0600 and name that with pin-source= instead of pin-value="
    )]
    PinValue,
    #[error("pin-source must name a file; programs are not run")]
    PinCommand,
    #[error("pin-source must be a path or a file: URI of this machine")]
    PinElsewhere,
}

/// The attributes of a path or a query that nobody has asked for yet.
pub struct Attributes(BTreeMap<String, Vec<u8>>);

impl Attributes {
    pub fn parse(text: &str, separator: char) -> Result<Self, UriError> {
        let mut attributes = BTreeMap::new();
        for part in text.split(separator).filter(|_| !text.is_empty()) {
            let (name, value) = part.split_once('=').ok_or(UriError::NoPair)?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                return Err(UriError::NoPair);
            }
            let value = decode(value).ok_or_else(|| UriError::Encoding(name.into()))?;
            if value.is_empty() {
                return Err(UriError::Empty(name.into()));
            }
            if attributes.insert(name.to_owned(), value).is_some() {
                return Err(UriError::Twice(name.into()));
            }
        }
        Ok(Self(attributes))
    }

    pub fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        self.0.remove(name)
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, UriError> {
        self.bytes(name).map(String::from_utf8).transpose().map_err(|_| UriError::NotText(name))
    }

    pub fn number(&mut self, name: &'static str) -> Result<Option<u64>, UriError> {
        self.text(name)?.map(|text| text.parse()).transpose().map_err(|_| UriError::NotANumber(name))
    }

    /// Whatever is left was not understood: it might have narrowed the choice.
    pub fn end(self) -> Result<(), UriError> {
        match self.0.into_keys().next() {
            Some(name) => Err(UriError::Unknown(name)),
            None => Ok(()),
        }
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            // What a URI may hold as it is. The separators of the RFC that do not separate here are let through.
            b'!' | b'$'..=b';' | b'=' | b'?'..=b'Z' | b'[' | b']' | b'_' | b'a'..=b'z' | b'|' | b'~' => byte,
            _ => return None,
        });
    }
    Some(decoded)
}
