//! Reading the configuration again. A file with a mistake changes nothing.

use firsthop_agent::device::Handle;

use super::Origin;
use super::settings::Settings;

/// Reads the settings and gives the device its own. All else is for the caller to apply.
pub async fn reload(origin: Origin, device: Handle) -> Result<Settings, String> {
    let read = tokio::task::spawn_blocking(move || origin.read()).await;
    let settings = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    device.configure(settings.device.clone()).await.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    Ok(settings)
}

/// What is other than in the running process and takes a restart.
pub fn restart_for(running: &Settings, read: &Settings) -> Vec<&'static str> {
    let changed = [
        (running.local.socket != read.local.socket, "local.socket"),
        (running.device.state != read.device.state, "state.folder"),
        (running.log.format != read.log.format, "log.format"),
    ];
    changed.into_iter().filter_map(|(changed, key)| changed.then_some(key)).collect()
}
