//! PKCS#11 modules: shared libraries, each loaded and initialised once for the process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

static LOADED: LazyLock<Mutex<HashMap<PathBuf, Pkcs11>>> = LazyLock::new(Mutex::default);

/// The module of that file, ready to be used. It stays for the life of the process: to finish it would pull it from under others.
pub fn loaded(path: &Path) -> Result<Pkcs11, String> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let module = match loaded.get(path) {
        Some(module) => module.clone(),
        None => {
            let module = Pkcs11::new(path).map_err(|error| match error {
                Error::LibraryLoading(error) => format!("the PKCS#11 module cannot be loaded: {error}"),
                other => format!("{} is no PKCS#11 module: {}", path.display(), described(&other)),
            })?;
            loaded.insert(path.to_owned(), module.clone());
            module
        }
    };
    // Each time: a module that somebody else in the process has finished begins anew.
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(error) => Err(format!("the PKCS#11 module {} does not start: {}", path.display(), described(&error))),
    }
}

/// In short; what cryptoki writes are the paragraphs of the standard.
pub fn described(error: &Error) -> String {
    match error {
        Error::Pkcs11(RvError::PinLocked, _) => {
            "the PIN is locked; the token's security officer can set a new one".into()
        }
        Error::Pkcs11(RvError::TokenNotPresent | RvError::DeviceRemoved, _) => "the token is gone".into(),
        Error::Pkcs11(value, function) => format!("C_{function:?} failed: {value:?}"),
        other => other.to_string(),
    }
}
