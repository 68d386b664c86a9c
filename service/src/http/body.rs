//! Bodies, read whole: up to a size and within a time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

/// Why there is no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body did not come within {0:?}")]
    TooSlow(Duration),
    #[error("the body did not come whole: {0}")]
    Broken(String),
}

/// The body of a request. What is too large is not read to its end.
pub async fn of_request(body: Body, limit: usize, time: Duration) -> Result<Bytes, BodyError> {
    let mut stream = body.into_data_stream();
    let reading = async {
        let mut whole = Gathered::new(limit);
        while let Some(chunk) = stream.next().await {
            whole.push(&chunk.map_err(|error| BodyError::Broken(error.to_string()))?)?;
        }
        Ok(whole.bytes.freeze())
    };
    tokio::time::timeout(time, reading).await.unwrap_or(Err(BodyError::TooSlow(time)))
}

/// The body of an answer; its time is that of the call.
pub async fn of_answer(mut response: reqwest::Response, limit: usize) -> Result<Bytes, BodyError> {
    let mut whole = Gathered::new(limit);
    // What the head promises is not read at all when it is too much.
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(BodyError::TooLarge(limit));
    }
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Broken(chain(&error)))? {
        whole.push(&chunk)?;
    }
    Ok(whole.bytes.freeze())
}

/// An error and its causes in one line: the outer ones of HTTP clients say little.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

struct Gathered {
    bytes: BytesMut,
    limit: usize,
}

impl Gathered {
    fn new(limit: usize) -> Self {
        Self { bytes: BytesMut::new(), limit }
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        if chunk.len() > self.limit - self.bytes.len() {
            return Err(BodyError::TooLarge(self.limit));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_body_may_fill_its_limit_and_no_more() {
        assert_eq!(of_request(Body::from("12345"), 5, LONG).await.unwrap(), "12345");
        assert_eq!(of_request(Body::from("123456"), 5, LONG).await, Err(BodyError::TooLarge(5)));
        assert_eq!(of_request(Body::empty(), 0, LONG).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        const SHORT: Duration = Duration::from_millis(20);
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(of_request(body, 5, SHORT).await, Err(BodyError::TooSlow(SHORT)));
    }
}
