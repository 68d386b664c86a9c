//! What a request says of its device becomes the device's registry entry (rules A2 to A4).

use std::collections::BTreeMap;
use std::sync::Arc;

use firsthop_protocol::{ErrorCode, RegisterRequest, Timestamp};

use crate::domain::device::{Device, DeviceModel};
use crate::domain::enrollment::Enrollment;
use crate::domain::refusal::Refusal;

/// Whether the entry has to be read: the request changes it, or rules have to be held against what it says.
pub(super) fn concerned(request: &RegisterRequest, enrollment: &Enrollment) -> bool {
    request.metadata.is_some()
        || request.endpoints.is_some()
        || request.model.is_some()
        || !enrollment.metadata.is_empty()
        || enrollment.model.is_some()
}

/// The entry as it is after the request, or `None` when it stays as it is. A field that the request leaves out keeps what the device
/// said before; rules are held against the whole.
pub(super) fn entry(
    stored: Option<Device>,
    request: &RegisterRequest,
    enrollment: &Enrollment,
    models: &[Arc<DeviceModel>],
    now: Timestamp,
) -> Result<Option<Device>, Refusal> {
    let before = stored.as_ref();
    let metadata = match (&request.metadata, before) {
        (Some(said), _) => said.0.clone(),
        (None, Some(before)) => before.metadata.clone(),
        (None, None) => serde_json::Map::new(),
    };
    let endpoints = match (&request.endpoints, before) {
        (Some(said), _) => said.clone(),
        (None, Some(before)) => before.endpoints.clone(),
        (None, None) => BTreeMap::new(),
    };
    enrollment.metadata.judge(&metadata).map_err(|refusal| refusal.by(&enrollment.name))?;
    let kept = before.and_then(|before| before.model.as_ref()).map(|instance| instance.model.as_str());
    let model = match model(request.model.as_deref().or(kept), enrollment, models) {
        Ok(model) => model,
        // A model that was taken out of the configuration is no fault of a device that did not name it now.
        Err(_) if request.model.is_none() => None,
        Err(refusal) => return Err(refusal.by(&enrollment.name)),
    };
    let model = match model {
        Some(model) => Some(model.instance(&metadata).map_err(|fault| {
            Refusal::new(ErrorCode::InvalidMetadata, format!("metadata{fault}"))
                .detail(format!("model {}", model.name))
                .by(&enrollment.name)
        })?),
        None => None,
    };
    let same = before
        .is_some_and(|before| before.metadata == metadata && before.endpoints == endpoints && before.model == model);
    Ok((!same).then_some(Device { metadata, endpoints, model, updated: now }))
}

fn model(
    named: Option<&str>,
    enrollment: &Enrollment,
    models: &[Arc<DeviceModel>],
) -> Result<Option<Arc<DeviceModel>>, Refusal> {
    let unknown = |message: String| Refusal::new(ErrorCode::InvalidField, message);
    match (named, &enrollment.model) {
        (None, of_enrollment) => Ok(of_enrollment.clone()),
        (Some(named), Some(model)) if model.name == named => Ok(Some(model.clone())),
        (Some(named), Some(_)) => Err(unknown(format!("model: {named:?} is not the model of the enrollment"))),
        (Some(named), None) => {
            let model = models.iter().find(|model| model.name == named);
            model.cloned().map(Some).ok_or_else(|| unknown(format!("model: {named:?} is not known")))
        }
    }
}
