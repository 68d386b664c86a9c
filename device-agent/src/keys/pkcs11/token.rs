//! The token that holds the key: found, opened, logged in to.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{KeyType, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;

use super::module::{self, described};
use super::object;
use super::uri::{Uri, WantedToken};
use crate::keys::stamp::Stamp;
use crate::{SetupError, secret};

/// Tokens that are looked at behind one module.
const MAX_TOKENS: usize = 64;

/// Longest PIN file.
const MAX_PIN: u64 = 1024;

/// The token of a URI.
#[derive(Debug)]
pub struct Token {
    uri: Uri,
    /// The PIN file whose PIN was wrong. A token counts: the same PIN again and again would lock it.
    refused: Mutex<Option<Stamp>>,
}

/// A private key in an open session.
#[derive(Debug)]
pub struct OpenKey {
    pub session: Session,
    pub key: ObjectHandle,
    /// What the token can do.
    pub mechanisms: Vec<MechanismType>,
}

impl Token {
    pub fn new(uri: Uri) -> Self {
        Self { uri, refused: Mutex::new(None) }
    }

    /// Finds the token and its key, of that kind, anew. Reads the PIN's file.
    pub fn open(&self, kind: KeyType) -> Result<OpenKey, SetupError> {
        let module = module::loaded(&self.uri.module).map_err(|message| self.failure(message))?;
        let (slot, info) = self.slot(&module)?;
        let failed = |error: Error| self.failure(described(&error));
        let session = module.open_ro_session(slot).map_err(failed)?;
        if info.login_required() {
            self.log_in(&session, &info)?;
        }
        let key = object::private_key(&session, &self.uri.key, kind).map_err(|message| self.failure(message))?;
        Ok(OpenKey { session, key, mechanisms: module.get_mechanism_list(slot).map_err(failed)? })
    }

    /// An error with the key's name.
    pub fn failure(&self, message: impl Into<String>) -> SetupError {
        SetupError::Token { key: self.to_string(), message: message.into() }
    }

    fn slot(&self, module: &Pkcs11) -> Result<(Slot, TokenInfo), SetupError> {
        let slots = module.get_slots_with_token().map_err(|error| self.failure(described(&error)))?;
        // One that cannot be asked, or was never set up, is not the one.
        let tokens =
            slots.into_iter().take(MAX_TOKENS).filter_map(|slot| Some((slot, module.get_token_info(slot).ok()?)));
        let (mut fit, others): (Vec<_>, Vec<_>) = tokens
            .filter(|(_, info)| info.token_initialized())
            .partition(|(slot, info)| fits(&self.uri.token, *slot, info));
        match (fit.pop(), fit.is_empty()) {
            (Some(token), true) => Ok(token),
            (Some(token), false) => Err(self.failure(format!(
                "several tokens fit ({}); name one by token=, serial= or slot-id=",
                listed(fit.iter().chain([&token]))
            ))),
            (None, _) => Err(self.failure(format!("no token fits; there is {}", listed(&others)))),
        }
    }

    fn log_in(&self, session: &Session, info: &TokenInfo) -> Result<(), SetupError> {
        let Some(file) = &self.uri.pin else {
            return Err(self.failure("the token wants a PIN; name the file that holds it with pin-source="));
        };
        let stamp = Stamp::of(file);
        if stamp.is_some() && stamp == *self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            let message =
                format!("the PIN in {} was wrong; it is not tried again until the file changes", file.display());
            return Err(self.failure(message));
        }
        if info.user_pin_final_try() {
            return Err(self.failure(
                "the token locks itself after one more wrong PIN; log in once with another program, so that it counts anew",
            ));
        }
        match session.login_with_raw(UserType::User, &pin(file)?) {
            // Sessions of one process share the login.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
                Err(self.failure(format!("the token refuses the PIN in {}", file.display())))
            }
            Err(error) => Err(self.failure(described(&error))),
        }
    }
}

/// By its key's name.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

fn fits(wanted: &WantedToken, slot: Slot, info: &TokenInfo) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    is(&wanted.label, info.label())
        && is(&wanted.manufacturer, info.manufacturer_id())
        && is(&wanted.serial, info.serial_number())
        && is(&wanted.model, info.model())
        && wanted.slot.is_none_or(|wanted| wanted == slot.id())
}

fn listed<'a>(tokens: impl IntoIterator<Item = &'a (Slot, TokenInfo)>) -> String {
    let tokens: Vec<_> = tokens
        .into_iter()
        .map(|(slot, info)| format!("{:?} (serial {:?}, slot {})", info.label(), info.serial_number(), slot.id()))
        .collect();
    match tokens.is_empty() {
        true => "none".into(),
        false => tokens.join(", "),
    }
}

/// The PIN of a file, without the line's end that an editor leaves.
fn pin(file: &Path) -> Result<RawAuthPin, SetupError> {
    let mut pin = secret::read(file, MAX_PIN)?;
    let end = pin.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    pin.truncate(end);
    // Wiped when it is dropped.
    Ok(RawAuthPin::new(Box::new(pin)))
}
