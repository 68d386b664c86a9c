//! Values of the command line that are JSON or name a file with JSON.

use std::fs::File;
use std::io::Read;

use firsthop_protocol::codec::MAX_REQUEST;
use firsthop_protocol::document::{Any, Document};

/// `JSON` or `@file`: an object.
pub fn document(argument: &str) -> Result<Document, String> {
    serde_json::from_str(&text(argument)?).map_err(|error| format!("not a JSON object: {error}"))
}

/// `JSON` or `@file`: any value.
pub fn any(argument: &str) -> Result<Any, String> {
    serde_json::from_str(&text(argument)?).map_err(|error| format!("not JSON: {error}"))
}

/// `name=uri`.
pub fn endpoint(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, uri)) if !name.is_empty() && !uri.is_empty() => Ok((name.to_owned(), uri.to_owned())),
        _ => Err("expected name=uri".to_owned()),
    }
}

fn text(argument: &str) -> Result<String, String> {
    let Some(path) = argument.strip_prefix('@') else { return Ok(argument.to_owned()) };
    let mut text = String::new();
    let limit = MAX_REQUEST as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .map_err(|error| format!("cannot read {path}: {error}"))?;
    if text.len() > MAX_REQUEST {
        return Err(format!("{path} is larger than the {MAX_REQUEST} bytes that a request may have"));
    }
    Ok(text)
}
