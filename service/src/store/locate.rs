//! Finding a device on a hub by its device id or its registration id. Nearly always both are one, whose number leads to the device's row;
//! for the others there is a table of aliases.

use redb::{AccessGuard, ReadableTable};

use super::fault::Fault;
use super::row::HubDeviceV1;

pub(super) type Found<'a> = (u64, AccessGuard<'a, &'static [u8]>);

/// The first row under that id that is accepted.
pub(super) fn locate<'a>(
    ids: &impl ReadableTable<&'static str, u64>,
    aliases: &impl ReadableTable<(&'static str, u64), ()>,
    devices: &'a impl ReadableTable<u64, &'static [u8]>,
    id: &str,
    mut accept: impl FnMut(u64, &HubDeviceV1<'_>) -> bool,
) -> Result<Option<Found<'a>>, Fault> {
    let mut look = |number: u64| -> Result<Option<Found<'a>>, Fault> {
        let Some(guard) = devices.get(number)? else { return Ok(None) };
        let accepted = accept(number, &decode(number, guard.value())?);
        Ok(accepted.then_some((number, guard)))
    };
    // Registration ids are kept in lower case.
    let number = ids.get(&*id.to_ascii_lowercase())?.map(|number| number.value());
    if let Some(found) = number.map(&mut look).transpose()?.flatten() {
        return Ok(Some(found));
    }
    if aliases.is_empty()? {
        return Ok(None);
    }
    for entry in aliases.range((id, 0)..=(id, u64::MAX))? {
        let (_, number) = entry?.0.value();
        if let Some(found) = look(number)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(super) fn decode(number: u64, row: &[u8]) -> Result<HubDeviceV1<'_>, Fault> {
    HubDeviceV1::decode(row).map_err(|error| Fault::row("hub_devices", number, &error))
}

/// What leads to a row besides its registration's number: the device id, when it is another one, and the registration id when another row
/// has its number.
pub(super) fn aliases<'a>(row: &HubDeviceV1<'a>) -> [Option<&'a str>; 2] {
    let (device, registration) = (row.identity.device_id(), row.identity.registration_id);
    let device = (row.apart || !device.eq_ignore_ascii_case(registration)).then_some(device);
    [device, row.apart.then_some(registration).filter(|registration| device != Some(*registration))]
}

/// The hub that has the device, unless it left.
pub(super) fn on_hub(row: &HubDeviceV1<'_>) -> Option<u32> {
    row.standing.left().is_none().then_some(row.hub)
}
