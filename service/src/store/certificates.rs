//! CA certificates that rows of devices name by their SHA-256: stored once, and held in memory once for all who ask.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::fault::Fault;
use super::row::Certificate;
use super::tables::CERTIFICATES;
use crate::domain::hub_device::{Credential, Identity};

/// The certificates that were asked for. Holds committed ones only.
#[derive(Debug, Default)]
pub(super) struct Certificates(RwLock<HashMap<Certificate, Arc<[u8]>>>);

impl Certificates {
    fn known(&self, sha256: &Certificate) -> Option<Arc<[u8]>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned()
    }

    pub fn certificate(&self, sha256: &Certificate, transaction: &ReadTransaction) -> Result<Arc<[u8]>, Fault> {
        if let Some(der) = self.known(sha256) {
            return Ok(der);
        }
        let table = transaction.open_table(CERTIFICATES)?;
        let der = table.get(sha256)?.ok_or_else(|| missing(sha256))?;
        let der: Arc<[u8]> = der.value().into();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(*sha256).or_insert(der).clone())
    }

    /// Writes the certificates of an identity that are not stored yet. `seen` are those that this transaction has looked for already.
    pub fn store(
        &self,
        identity: &Identity,
        seen: &mut HashSet<Certificate>,
        transaction: &WriteTransaction,
    ) -> Result<(), Fault> {
        let Credential::Authorities(authorities) = &identity.credential else { return Ok(()) };
        for authority in authorities {
            let sha256 = &authority.thumbprint.0;
            if self.known(sha256).is_none() && seen.insert(*sha256) {
                let mut table = transaction.open_table(CERTIFICATES)?;
                if table.get(sha256)?.is_none() {
                    table.insert(sha256, &*authority.der)?;
                }
            }
        }
        Ok(())
    }
}

pub(super) fn missing(sha256: &Certificate) -> Fault {
    let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    Fault::Damaged(format!("table certificates, key {hex}: the certificate is missing"))
}
