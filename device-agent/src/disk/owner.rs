//! Whose state the folder holds. What was kept for one device is nobody else's: not after another certificate was put into the box, and not in
//! an image that was copied from a gateway in use.

use std::io;

use super::DiskError;
use super::folder::{Folder, beside};
use super::generations::Generations;

/// Holds the registration id of the device.
const FILE: &str = "device.cbor";
/// What is kept for a device.
const KEPT: [&str; 5] =
    ["assignment.cbor", "assignment.cbor.previous", "twin.cbor", "twin.cbor.previous", "outbox.redb"];

/// Takes the folder for a device. What another one has left is set aside, over what was set aside so before; what does not say whose it
/// is becomes the device's.
pub(super) fn claim(folder: &Folder, device: &str, warnings: &mut Vec<String>) -> Result<(), DiskError> {
    let (mut file, owner) = Generations::<String>::open(folder, FILE, warnings)?;
    if let Some(other) = owner.filter(|owner| owner != device) {
        // Before the new owner is written: cut off in between, the rest follows at the next start.
        for name in KEPT {
            let path = folder.path().join(name);
            match std::fs::rename(&path, beside(&path, ".other-device")) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(DiskError::Unreadable { path, source });
                }
                _ => {}
            }
        }
        folder.sync().map_err(|source| DiskError::Folder { path: folder.path().to_owned(), source })?;
        let path = folder.path().display();
        warnings.push(format!(
            "{path}: what is kept there is that of device {other}, and this one is {device}; it was set aside as *.other-device"
        ));
    }
    match file.save(folder, &device.to_owned()) {
        // The device works without; the next start writes it.
        Err(DiskError::DiskFull { .. }) => {
            let path = folder.path().display();
            warnings.push(format!("{path}: the disk is full; it cannot be kept whose state this is"));
            Ok(())
        }
        saved => saved,
    }
}
