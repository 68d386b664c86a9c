//! Limits on the fields of a registration, as far as they need nothing but the request: the service refuses what breaks them, and a device
//! can know before it asks.

use std::collections::BTreeMap;

use crate::RegisterRequest;

/// Most endpoints a device may have.
const MAX_ENDPOINTS: usize = 16;
/// Longest name of an endpoint and longest address, in bytes.
const MAX_ENDPOINT_NAME: usize = 64;
const MAX_ENDPOINT_ADDRESS: usize = 512;
/// Most hubs a device may report latencies of.
const MAX_LATENCIES: usize = 64;

impl RegisterRequest {
    /// The first field that is beyond its limit, with the limit.
    pub fn check_limits(&self) -> Result<(), String> {
        for (name, address) in self.endpoints.iter().flatten() {
            if name.is_empty() || name.len() > MAX_ENDPOINT_NAME {
                return Err(format!("endpoints: a name has 1 to {MAX_ENDPOINT_NAME} bytes, not {}", name.len()));
            }
            if address.is_empty() || address.len() > MAX_ENDPOINT_ADDRESS {
                return Err(format!(
                    "endpoints.{name}: an address has 1 to {MAX_ENDPOINT_ADDRESS} bytes, not {}",
                    address.len()
                ));
            }
        }
        let endpoints = self.endpoints.as_ref().map_or(0, BTreeMap::len);
        if endpoints > MAX_ENDPOINTS {
            return Err(format!("endpoints: at most {MAX_ENDPOINTS}, not {endpoints}"));
        }
        let latencies = self.latencies.as_ref().map_or(0, BTreeMap::len);
        if latencies > MAX_LATENCIES {
            return Err(format!("latencies: at most {MAX_LATENCIES} hubs, not {latencies}"));
        }
        Ok(())
    }
}
