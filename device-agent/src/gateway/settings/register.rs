//! What the device says when it registers.

use firsthop_agent::device::RegisterTemplate;
use firsthop_config::{ConfigError, Located, Source};
use firsthop_protocol::codec::{self, MAX_REQUEST};
use firsthop_protocol::{Format, RegisterRequest};

use super::file;

/// What the agent itself adds to a registration: request id, measurements, what it believes.
const ADDED: usize = 4 * 1024;

pub fn register(source: &Source, file: file::Provisioning, errors: &mut Vec<ConfigError>) -> RegisterTemplate {
    let endpoints_at = file.endpoints.as_ref().map(Located::span).unwrap_or_default();
    let place = [
        file.metadata.as_ref().map(Located::span),
        file.payload.as_ref().map(Located::span),
        file.endpoints.as_ref().map(Located::span),
        file.model.as_ref().map(Located::span),
    ];
    let template = RegisterTemplate {
        metadata: file.metadata.map(Located::into_inner),
        endpoints: file.endpoints.map(Located::into_inner),
        model: file.model.map(Located::into_inner),
        payload: file.payload.map(Located::into_inner),
        measure: file.measure,
    };
    let request = RegisterRequest {
        metadata: template.metadata.clone(),
        endpoints: template.endpoints.clone(),
        model: template.model.clone(),
        payload: template.payload.clone(),
        ..RegisterRequest::default()
    };
    if let Err(reason) = request.check_limits() {
        errors.push(source.error(endpoints_at, format!("the service would refuse it: {reason}")));
    }
    let len = codec::encode(&request, Format::Json).len();
    if len > MAX_REQUEST - ADDED {
        let span = place.into_iter().flatten().next().unwrap_or_default();
        let problem = format!(
            "metadata, endpoints, model and payload have {len} bytes as JSON, and {} are allowed together",
            MAX_REQUEST - ADDED
        );
        errors.push(source.error(span, problem));
    }
    template
}
