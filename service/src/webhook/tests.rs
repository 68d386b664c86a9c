//! Calls over loopback, to receivers of each kind.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Redirect;
use axum::routing::post;
use firsthop_certs::Authority;
use firsthop_config::Size;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

fn routes(seen: Seen) -> Router {
    let record = move |headers: HeaderMap, body: Bytes| {
        seen.lock().unwrap().push((headers, body));
        async { r#"{"iotHubHostName": "hub.example"}"# }
    };
    let typed = |kind: &'static str| move || async move { ([(header::CONTENT_TYPE, kind)], "{}") };
    Router::new()
        .route("/answers", post(record))
        .route("/never", post(|| async { std::future::pending::<()>().await }))
        .route("/huge", post(|| async { format!("\"{}\"", "x".repeat(4096)) }))
        .route("/endless", post(|| async { axum::body::Body::from_stream(endless()) }))
        .route("/fails", post(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "no database\n\u{7}") }))
        .route("/elsewhere", post(|| async { Redirect::temporary("/answers") }))
        .route("/garbage", post(|| async { "{\"iotHubHostName\":" }))
        .route("/empty", post(|| async {}))
        .route("/page", post(typed("text/html; charset=utf-8")))
        .route("/odd", post(typed("application/vnd.example+json")))
}

fn endless() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::repeat_with(|| Ok(Bytes::from_static(&[b' '; 512])))
}

async fn plain() -> (String, Seen) {
    let (seen, listener) = (Seen::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, routes(seen.clone())).into_future());
    (format!("http://{address}"), seen)
}

async fn secure(authority: &Authority) -> SocketAddr {
    let identity = authority.server(&["localhost".to_owned()]).unwrap();
    let chain = CertificateDer::pem_slice_iter(identity.chain_pem().as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(tls)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let service = TowerToHyperService::new(routes(Seen::default()));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn caller(config: Config) -> Caller {
    Caller::new(&config).unwrap()
}

/// Long enough for whatever does answer.
fn patient() -> Caller {
    caller(Config { timeout: Duration::from_secs(30), max_answer: Size::bytes(1024), ..Config::default() })
}

fn hasty() -> Config {
    Config { timeout: Duration::from_millis(50), ..Config::default() }
}

fn request(url: String) -> AllocationRequest {
    AllocationRequest {
        url: url.into(),
        secret: None,
        body: json!({ "deviceRuntimeContext": { "registrationId": "d" } }),
    }
}

#[tokio::test]
async fn an_answer_comes_back_as_json() {
    let (url, seen) = plain().await;
    let answer = patient().allocate(request(format!("{url}/answers"))).await.unwrap();
    assert_eq!(answer.body, json!({ "iotHubHostName": "hub.example" }));
    let seen = seen.lock().unwrap();
    let (headers, body) = &seen[0];
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert!(!headers.contains_key(signature::SIGNATURE));
    assert_eq!(serde_json::from_slice::<Value>(body).unwrap()["deviceRuntimeContext"]["registrationId"], "d");
}

#[tokio::test]
async fn the_receiver_can_verify_the_signature_over_what_it_received() {
    let (url, seen) = plain().await;
    let signed = AllocationRequest { secret: Some((*b"shared key").into()), ..request(format!("{url}/answers")) };
    patient().allocate(signed).await.unwrap();
    let seen = seen.lock().unwrap();
    let (headers, body) = &seen[0];
    let at = headers["Firsthop-Timestamp"].to_str().unwrap();
    let signature = headers["Firsthop-Signature"].to_str().unwrap().strip_prefix("v1=").unwrap();
    let signature: Vec<u8> =
        (0..signature.len()).step_by(2).map(|at| u8::from_str_radix(&signature[at..at + 2], 16).unwrap()).collect();
    let signed = [at.as_bytes(), b".", body].concat();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, b"shared key"), &signed, &signature).unwrap();
    assert!(Timestamp::now().secs().abs_diff(at.parse().unwrap()) < 60);
}

#[tokio::test]
async fn what_is_no_answer_has_its_own_fault() {
    let (url, _) = plain().await;
    let caller = patient();
    let fault = async |path: &str| caller.allocate(request(format!("{url}/{path}"))).await.unwrap_err();
    assert_eq!(fault("huge").await, AllocationFault::TooLarge(1024));
    assert_eq!(fault("endless").await, AllocationFault::TooLarge(1024));
    assert_eq!(fault("fails").await, AllocationFault::Status { status: 500, body: "no database  ".into() });
    assert!(matches!(fault("elsewhere").await, AllocationFault::Status { status: 307, .. }));
    assert!(matches!(fault("nowhere").await, AllocationFault::Status { status: 404, .. }));
    assert!(matches!(fault("garbage").await, AllocationFault::Malformed(_)));
    assert!(matches!(fault("empty").await, AllocationFault::Malformed(_)));
    assert!(matches!(fault("page").await, AllocationFault::Malformed(why) if why.contains("text/html")));
    assert!(caller.allocate(request(format!("{url}/odd"))).await.is_ok());
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_unreachable_and_its_url_is_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?code=key", listener.local_addr().unwrap());
    drop(listener);
    let Err(AllocationFault::Unreachable(why)) = patient().allocate(request(url)).await else { panic!("reached") };
    assert!(!why.contains("key"), "{why}");
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_given_up_in_time() {
    let (url, _) = plain().await;
    let config = hasty();
    let limit = config.timeout;
    let fault = caller(config).allocate(request(format!("{url}/never"))).await.unwrap_err();
    assert_eq!(fault, AllocationFault::TimedOut(limit));
}

#[tokio::test]
async fn a_receiver_that_hangs_keeps_no_other_one_waiting() {
    let (url, _) = plain().await;
    let caller = caller(Config { concurrency: 4, ..hasty() });
    let hangs = || caller.allocate(request(format!("{url}/never")));
    let answers = caller.allocate(request(format!("{url}/answers")));
    let (first, second, third, answered) = tokio::join!(hangs(), hangs(), hangs(), answers);
    assert!(matches!(first, Err(AllocationFault::TimedOut(_))));
    assert!(matches!(second, Err(AllocationFault::TimedOut(_))));
    assert!(third.is_err());
    assert!(answered.is_ok());
}

#[tokio::test]
async fn a_call_that_gets_no_turn_in_its_time_is_told_so() {
    let (url, _) = plain().await;
    let caller = caller(Config { concurrency: 2, ..hasty() });
    let url: Arc<str> = format!("{url}/answers").into();
    let _taken = caller.places.take(&url).await;
    assert_eq!(caller.allocate(request(url.to_string())).await, Err(AllocationFault::Busy));
}

#[tokio::test]
async fn https_is_verified_with_the_configured_authority() {
    let (ours, other) = (Authority::root("Ours").unwrap(), Authority::root("Other").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let trusting = |authority: &Authority, stem: &str| {
        let path = authority.write(folder.path(), stem).unwrap().certificate;
        caller(Config { ca: Some(path), timeout: Duration::from_secs(30), ..Config::default() })
    };
    let port = secure(&ours).await.port();
    let (trusts, strange) = (trusting(&ours, "ours"), trusting(&other, "other"));
    assert!(trusts.allocate(request(format!("https://localhost:{port}/odd"))).await.is_ok());
    for (caller, host) in [(&strange, "localhost"), (&trusts, "127.0.0.1")] {
        let fault = caller.allocate(request(format!("https://{host}:{port}/odd"))).await.unwrap_err();
        assert!(
            matches!(&fault, AllocationFault::Unreachable(why) if why.contains("certificate")),
            "{host}: {fault:?}"
        );
    }
}

#[test]
fn a_file_of_authorities_that_is_none_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "nothing").unwrap();
    let error = Caller::new(&Config { ca: Some(path), ..Config::default() }).err().unwrap();
    assert!(error.to_string().contains("ca.pem: holds no certificate"), "{error}");
}

#[test]
fn the_defaults_have_no_problems_and_impossible_settings_are_named() {
    assert!(Config::default().problems().is_empty());
    let problems =
        Config { timeout: Duration::ZERO, max_answer: Size::mib(2), concurrency: 1, ..Config::default() }.problems();
    for name in ["timeout", "max_answer", "concurrency"] {
        assert!(problems.iter().any(|problem| problem.contains(name)), "{name}: {problems:?}");
    }
}
