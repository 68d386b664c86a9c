//! Values of the command line that are JSON or name a file with JSON.

use std::fs::File;
use std::io::Read;

use firsthop_protocol::codec::MAX_REQUEST;
use firsthop_protocol::document::{Any, Document};

/// Larger than what a twin may hold.
const MAX_PATCH: usize = 256 * 1024;

/// `JSON` or `@file`: an object.
pub fn document(argument: &str) -> Result<Document, String> {
    serde_json::from_str(&text(argument, MAX_REQUEST)?).map_err(|error| format!("not a JSON object: {error}"))
}

/// `JSON` or `@file`: any value.
pub fn any(argument: &str) -> Result<Any, String> {
    serde_json::from_str(&text(argument, MAX_REQUEST)?).map_err(|error| format!("not JSON: {error}"))
}

/// `JSON` or `@file`: a merge patch of reported properties.
pub fn patch(argument: &str) -> Result<Document, String> {
    serde_json::from_str(&text(argument, MAX_PATCH)?).map_err(|error| format!("not a JSON object: {error}"))
}

/// `name=value`, or `name` alone for a property without a value.
pub fn property(argument: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match argument.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (argument, None),
    };
    if name.is_empty() { Err("expected name=value".to_owned()) } else { Ok((name.to_owned(), value)) }
}

/// `name=uri`.
pub fn endpoint(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, uri)) if !name.is_empty() && !uri.is_empty() => Ok((name.to_owned(), uri.to_owned())),
        _ => Err("expected name=uri".to_owned()),
    }
}

fn text(argument: &str, limit: usize) -> Result<String, String> {
    let Some(path) = argument.strip_prefix('@') else { return Ok(argument.to_owned()) };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot read {path}: {error}"))?;
    if text.len() > limit {
        return Err(format!("{path} is larger than the {limit} bytes that a request may have"));
    }
    Ok(text)
}
