//! A configuration file in a folder of its own.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use firsthop_certs::{Authority, Identity};
use tempfile::TempDir;

use crate::toml::Toml;
use crate::{Pki, Service};

/// Builds a configuration file. The folder lives as long as the last clone, so a service can be started on it again.
#[derive(Clone)]
pub struct ServiceConfig {
    dir: Arc<TempDir>,
    toml: Toml,
    certificates: Arc<AtomicU32>,
    /// The store lies on a disk of this size that only the service sees.
    pub(crate) disk: Option<String>,
    pub(crate) variables: Vec<(String, String)>,
}

impl ServiceConfig {
    /// Three hubs and the group `factory`.
    pub fn new(pki: &Pki) -> Self {
        Self::without_entries(pki).hub("hub-a", "").hub("hub-b", "").hub("hub-c", "").group("factory", &pki.factory, "")
    }

    /// No hub and no enrollment.
    pub fn without_entries(pki: &Pki) -> Self {
        let dir = Arc::new(tempfile::Builder::new().prefix("firsthop-").tempdir().expect("a folder"));
        pki.server.write(dir.path(), "server").expect("the server's files");
        std::fs::write(dir.path().join("root.pem"), pki.root.certificate_pem()).expect("the root's file");
        let config =
            Self { dir, toml: Toml::default(), certificates: Arc::default(), disk: None, variables: Vec::new() };
        config
            .set("listener", "address", "\"127.0.0.1:0\"")
            .set("tls", "certificate", "\"server.pem\"")
            .set("tls", "key", "\"server.key\"")
            .set("store", "path", "\"registry.redb\"")
    }

    /// Sets a key to a value in TOML.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: impl Display) -> Self {
        self.toml.set(section, key, value);
        self
    }

    #[must_use]
    pub fn limit(self, key: &str, value: impl Display) -> Self {
        self.set("limits", key, value)
    }

    /// Appends tables as they are.
    #[must_use]
    pub fn with(mut self, toml: &str) -> Self {
        self.toml.with(toml);
        self
    }

    #[must_use]
    pub fn hub(self, name: &str, more: &str) -> Self {
        self.with(&format!("[[hubs]]\nname = \"{name}\"\nhost = \"{name}.example\"\n{more}\n"))
    }

    /// A hub of the service's own process, on a port of its own.
    #[must_use]
    pub fn embedded(self, name: &str, more: &str) -> Self {
        self.with(&format!("[[hubs]]\nname = \"{name}\"\nhost = \"localhost\"\nlisten = \"127.0.0.1:0\"\n{more}\n"))
    }

    /// A variable in the service's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn without_variables(mut self) -> Self {
        self.variables.clear();
        self
    }

    /// The same folder and sections with other hubs and enrollments.
    #[must_use]
    pub fn other_entries(mut self) -> Self {
        self.toml.clear_tables();
        self
    }

    /// Two embedded hubs, `hub-a` and `hub-b`, and the group `factory`; with a management socket.
    pub fn with_hubs(pki: &Pki, group: &str) -> Self {
        Self::without_entries(pki)
            .set("admin", "socket", "\"admin.sock\"")
            .embedded("hub-a", "")
            .embedded("hub-b", "")
            .group("factory", &pki.factory, group)
    }

    #[must_use]
    pub fn group(self, id: &str, authority: &Authority, more: &str) -> Self {
        let file = self.certificate(&authority.certificate_pem());
        self.with(&format!("[[groups]]\nid = \"{id}\"\nprimary = \"{file}\"\n{more}\n"))
    }

    #[must_use]
    pub fn individual(self, id: &str, identity: &Identity, more: &str) -> Self {
        let file = self.certificate(&identity.chain_pem());
        self.with(&format!("[[individuals]]\nregistration_id = \"{id}\"\nprimary = \"{file}\"\n{more}\n"))
    }

    /// Writes a certificate; gives its path as the configuration names it.
    pub fn certificate(&self, pem: &str) -> String {
        let name = format!("enrolled-{}.pem", self.certificates.fetch_add(1, Ordering::Relaxed));
        std::fs::write(self.dir.path().join(&name), pem).expect("a certificate file");
        name
    }

    /// Puts the store onto a disk of its own, of that size; `None` where this user may not mount.
    pub fn on_a_small_disk(self, size: &str) -> Option<Self> {
        std::fs::create_dir(self.disk_dir()).expect("a folder");
        crate::disk::may_mount()
            .then(|| Self { disk: Some(size.to_owned()), ..self.set("store", "path", "\"disk/registry.redb\"") })
    }

    pub(crate) fn disk_dir(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("registry.redb")
    }

    pub fn root_file(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// Writes a device's files into a folder of its own; gives the paths of certificate and key.
    pub fn device_files(&self, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
        let written = identity.replace(self.dir.path().join("devices"), name).expect("a device's files");
        (written.certificate, written.key)
    }

    pub fn text(&self) -> String {
        self.toml.text()
    }

    /// Writes the file.
    pub fn write(&self) -> PathBuf {
        let path = self.dir.path().join("firsthop.toml");
        std::fs::write(&path, self.text()).expect("the configuration file");
        path
    }

    pub fn start(&self) -> Service {
        Service::start(self)
    }
}
