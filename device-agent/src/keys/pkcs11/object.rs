//! The private key among a token's objects: exactly one has to fit.

use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::module::described;
use super::uri::WantedKey;

/// Keys that an error names.
const NAMED: usize = 8;

/// The one private key that fits. It has to be of the certificate's kind: not every token finds out by itself.
pub fn private_key(session: &Session, wanted: &WantedKey, kind: KeyType) -> Result<ObjectHandle, String> {
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
    template.extend(wanted.label.iter().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(wanted.id.iter().map(|id| Attribute::Id(id.clone())));
    let found = find(session, &template)?;
    match found[..] {
        [key] => usable(session, key, kind),
        [] => {
            let all = find(session, &template[..1])?;
            let there = if all.is_empty() { "none".into() } else { listed(session, &all) };
            Err(format!("no private key of the token fits; there is {there}"))
        }
        _ => Err(format!("several private keys fit ({}); name one by object= and id=", listed(session, &found))),
    }
}

/// At most one more than an error names.
fn find(session: &Session, template: &[Attribute]) -> Result<Vec<ObjectHandle>, String> {
    let found = session.iter_objects(template).and_then(|objects| objects.take(NAMED + 1).collect());
    found.map_err(|error| described(&error))
}

/// Some keys ask for the PIN at each signature, which is for people.
fn usable(session: &Session, key: ObjectHandle, kind: KeyType) -> Result<ObjectHandle, String> {
    let asked = [AttributeType::KeyType, AttributeType::Sign, AttributeType::AlwaysAuthenticate];
    for attribute in session.get_attributes(key, &asked).map_err(|error| described(&error))? {
        match attribute {
            Attribute::KeyType(found) if found != kind => {
                return Err("the key is of another kind than the certificate's".into());
            }
            Attribute::Sign(false) => return Err("the key may not sign (CKA_SIGN)".into()),
            Attribute::AlwaysAuthenticate(true) => {
                return Err(
                    "the key asks for the PIN at each signature (CKA_ALWAYS_AUTHENTICATE), which a device cannot do"
                        .into(),
                );
            }
            _ => {}
        }
    }
    Ok(key)
}

fn listed(session: &Session, keys: &[ObjectHandle]) -> String {
    let mut names: Vec<_> = keys.iter().take(NAMED).map(|key| name(session, *key)).collect();
    if keys.len() > NAMED {
        names.push("more".into());
    }
    names.join(", ")
}

/// As a URI would say it.
fn name(session: &Session, key: ObjectHandle) -> String {
    let (mut label, mut id) = (String::new(), String::new());
    for attribute in session.get_attributes(key, &[AttributeType::Label, AttributeType::Id]).unwrap_or_default() {
        match attribute {
            Attribute::Label(bytes) => label = String::from_utf8_lossy(&bytes).into_owned(),
            Attribute::Id(bytes) => id = bytes.iter().map(|byte| format!("%{byte:02x}")).collect(),
            _ => {}
        }
    }
    format!("object={label:?} id={id}")
}
