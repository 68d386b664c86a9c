//! The last operations that ended, for operators: bounded in number and bytes, the oldest make room.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use firsthop_protocol::OperationId;
use serde_json::Value;

use super::{Exchange, OperationView};
use crate::domain::ports::{AllocationAnswer, AllocationFault};

/// Most operations that are remembered.
const CAPACITY: usize = 1_000;
/// Most bytes of what webhooks were asked and answered, of all together.
const BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of one of them; a longer one is cut and kept as text.
const TEXT: usize = 16 * 1024;

#[derive(Default)]
pub(in crate::provisioner) struct OperationLog(Mutex<Log>);

#[derive(Default)]
struct Log {
    entries: VecDeque<(OperationView, usize)>,
    bytes: usize,
}

impl OperationLog {
    pub fn add(&self, view: OperationView) {
        let size = size(&view);
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.bytes += size;
        log.entries.push_front((view, size));
        while log.entries.len() > CAPACITY || log.bytes > BYTES {
            let Some((_, size)) = log.entries.pop_back() else { break };
            log.bytes -= size;
        }
    }

    /// The newest first.
    pub fn all(&self) -> Vec<OperationView> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.entries.iter().map(|(view, _)| view.clone()).collect()
    }

    pub fn find(&self, id: OperationId) -> Option<OperationView> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.entries.iter().find(|(view, _)| view.id == id).map(|(view, _)| view.clone())
    }
}

fn size(view: &OperationView) -> usize {
    let exchange = view.webhook.as_ref().map_or(0, |exchange| {
        let answer = exchange.answer.as_ref().map_or_else(String::len, |answer| answer.to_string().len());
        exchange.url.len() + exchange.request.to_string().len() + answer
    });
    exchange + view.error.as_ref().map_or(0, String::len)
}

impl Exchange {
    pub(in crate::provisioner) fn new(
        url: &str,
        request: &Value,
        answer: &Result<AllocationAnswer, AllocationFault>,
    ) -> Self {
        let answer = answer.as_ref().map(|answer| bounded(&answer.body)).map_err(ToString::to_string);
        Self { url: url.to_owned(), request: bounded(request), answer }
    }
}

fn bounded(value: &Value) -> Value {
    let mut text = value.to_string();
    if text.len() <= TEXT {
        return value.clone();
    }
    text.truncate(text.floor_char_boundary(TEXT));
    text.push('…');
    Value::String(text)
}
