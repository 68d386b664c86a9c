//! Bytes that nobody chose, for a bounded time: nothing that parses them panics, stands still or allocates out of proportion.
//!
//! Each test tells its seed when it fails; `FIRSTHOP_FUZZ_SEED` runs it again, `FIRSTHOP_FUZZ_SECONDS` makes it longer.

mod fuzz_support;

use std::sync::LazyLock;

use bytes::BytesMut;
use firsthop::domain::allocation::AllocationPolicy;
use firsthop::domain::attestation::{EnrolledCertificate, judge};
use firsthop::domain::book::Book;
use firsthop::domain::enrollment::{Certificates, Enrollment, QuotaRates, TopicGrants};
use firsthop::domain::metadata::MetadataRules;
use firsthop::front::codec::{Decoder, Packet, Reply, Version, encode, text};
use firsthop_certs::{Authority, DeviceCertificate, KeyKind};
use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::codec::{self, MAX_REQUEST};
use firsthop_protocol::topic::{self, Answers, Request};
use firsthop_protocol::{
    Accepted, Format, GroupId, Pending, RegisterRequest, RegistrationId, Rejected, StatusRequest, Timestamp,
};
use fuzz_support::{Random, allocated, fuzz, mutated};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a parser may allocate for so many bytes of input. All of it counts, also what it has freed again.
const fn bound(input: usize) -> usize {
    64 * input + (1 << 20)
}

#[test]
fn arbitrary_packets() {
    const MAX_CONNECT: usize = 4 * 1024;
    const MAX_PACKET: usize = 16 * 1024;
    for version in [Version::V311, Version::V5] {
        let seeds = packets(version);
        fuzz(|random| {
            let mut input = mutated(random, &seeds);
            for _ in 0..random.below(3) {
                input.extend(mutated(random, &seeds));
            }
            input
        })
        .run(|input| {
            let mut decoder = Decoder::new(MAX_CONNECT, MAX_PACKET);
            if input.first().is_some_and(|first| first >> 4 != 1) {
                let mut connect = BytesMut::from(&seeds[0][..]);
                assert!(matches!(decoder.decode(&mut connect), Ok(Some(Packet::Connect(_)))));
            }
            let (packets, used) = allocated(|| drain(&mut decoder, input));
            assert!(used <= bound(input.len()), "{used} bytes allocated");
            // What came in can go out, to clients of both versions.
            for packet in packets {
                if let Packet::Publish(publish) = packet {
                    let reply = Reply::Publish(publish);
                    for version in [Version::V311, Version::V5] {
                        encode(&reply, version, &mut BytesMut::new()).expect("what came in fits");
                    }
                }
            }
        });
    }
}

/// Decodes until an error or the end. A packet takes something off the buffer, and an error is final.
fn drain(decoder: &mut Decoder, input: &[u8]) -> Vec<Packet> {
    let mut buffer = BytesMut::from(input);
    let mut packets = Vec::new();
    loop {
        let before = buffer.len();
        match decoder.decode(&mut buffer) {
            Ok(Some(packet)) => {
                assert!(buffer.len() < before, "{packet:?} took nothing");
                packets.push(packet);
            }
            Ok(None) => {
                assert_eq!(buffer.len(), before, "an incomplete packet stays");
                return packets;
            }
            Err(error) => {
                assert_eq!(decoder.decode(&mut buffer), Err(error), "an error is final");
                return packets;
            }
        }
    }
}

/// Packets of each kind that a client sends, the CONNECT first.
fn packets(version: Version) -> Vec<Vec<u8>> {
    let v5 = version == Version::V5;
    let level = if v5 { 5 } else { 4 };
    // An empty list of properties, which only MQTT 5 has.
    let none: &[u8] = if v5 { &[0] } else { &[] };
    let with = |properties: &'static [u8]| if v5 { properties } else { &[] };
    let packet = |first: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        let length = u8::try_from(body.len()).ok().filter(|length| *length < 0x80).expect("short");
        [&[first, length][..], &body].concat()
    };
    let connect = packet(0x10, &[b"\0\x04MQTT", &[level, 2, 0, 60], none, b"\0\x03dev"]);
    let will = packet(
        0x10,
        &[
            b"\0\x04MQTT",
            &[level, 0xEE, 0, 60],
            with(b"\x03\x21\0\x14"),
            b"\0\x03dev",
            with(b"\x05\x18\0\0\0\x05"),
            b"\0\x03w/t\0\x01x\0\x01u\0\x01p",
        ],
    );
    let publish = packet(0x30, &[b"\0\x16$provisioning/register", none, b"{\"rid\":\"7\"}"]);
    let rich = packet(
        0x3B,
        &[
            b"\0\x03a/b\0\x07",
            with(b"\x1c\x01\x01\x02\0\0\0\x3c\x08\0\x03r/t\x09\0\x02\0\xff\x26\0\x01k\0\x01v"),
            b"body",
        ],
    );
    let subscribe = packet(0x82, &[&[0, 1], with(b"\x02\x0b\x07"), b"\0\x18$provisioning/register/+\x01\0\x01#\x02"]);
    let unsubscribe = packet(0xA2, &[&[0, 1], none, b"\0\x03a/#\0\x01+"]);
    let acknowledgements = [0x40, 0x50, 0x62, 0x70].map(|first| packet(first, &[&[0, 7], with(b"\x10\0")]));
    let disconnect = packet(0xE0, &[with(b"\x04\x0c\x11\0\0\0\x0a\x1f\0\x04done")]);
    let mut packets = vec![connect, will, publish, rich, subscribe, unsubscribe, vec![0xC0, 0], disconnect];
    packets.extend(acknowledgements);
    packets
}

#[test]
fn arbitrary_topics_filters_and_ids() {
    let seeds: Vec<Vec<u8>> = [
        "$provisioning/register",
        "$provisioning/status/cbor",
        "$provisioning/register/+",
        "$provisioning/register/#",
        "$share/group/devices/dev-1/#",
        "devices/dev-1/telemetry/é/+/x",
        "dev-0001:a.b_c-d",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    fuzz(|random| mutated(random, &seeds)).run(|input| {
        // U+0000 is refused with the text that holds it, before anybody asks what the text means.
        let text = String::from_utf8_lossy(input).replace('\0', "");
        let ((), used) = allocated(|| {
            if text::topic_name(&text).is_ok() {
                assert!(!text.contains(['+', '#']) && !text.is_empty(), "{text:?} is no topic");
            }
            if text::topic_filter(&text).is_ok() {
                assert!(text.find('#').is_none_or(|at| at + 1 == text.len()), "{text:?} is no filter");
                text::matches(&text, "devices/dev-1/x");
            }
            if let Some((request, _)) = Request::parse(&text) {
                assert!(text.starts_with(request.topic()));
            }
            if Answers::of_filter(&text).is_some() {
                assert!(text.starts_with(topic::ROOT), "{text:?} is not in the reserved tree");
            }
            topic::parse_answer(&text);
            if let Ok(id) = RegistrationId::parse(&text) {
                assert!(!id.as_str().contains(['/', '+', '#', '$', '\0']), "{id} does not fit into a topic");
            }
        });
        assert!(used <= bound(input.len()), "{used} bytes allocated");
    });
}

#[test]
fn arbitrary_json() {
    fuzz(|random| body(random, Format::Json)).run(|input| bodies(input, Format::Json));
}

#[test]
fn arbitrary_cbor() {
    fuzz(|random| body(random, Format::Cbor)).run(|input| bodies(input, Format::Cbor));
}

#[test]
fn a_body_of_ten_megabytes_costs_nothing() {
    for format in [Format::Json, Format::Cbor] {
        let body = vec![b'['; 10 << 20];
        let (result, used) = allocated(|| codec::decode::<RegisterRequest>(&body, format));
        assert!(result.is_err() && used < 1024, "{used} bytes allocated");
    }
}

fn bodies(input: &[u8], format: Format) {
    reads_back::<RegisterRequest>(input, format);
    reads_back::<StatusRequest>(input, format);
    reads_back::<Accepted>(input, format);
    reads_back::<Pending>(input, format);
    reads_back::<Rejected>(input, format);
}

/// What is read at all is written and read as the same.
fn reads_back<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(input: &[u8], format: Format) {
    let (result, used) = allocated(|| codec::decode::<T>(input, format));
    assert!(used <= bound(input.len()), "{used} bytes allocated");
    if let Ok(value) = result {
        let written = codec::encode(&value, format);
        if written.len() <= MAX_REQUEST {
            assert_eq!(codec::decode::<T>(&written, format).as_ref(), Ok(&value));
        }
    }
}

fn body(random: &mut Random, format: Format) -> Vec<u8> {
    static SEEDS: LazyLock<[Vec<Vec<u8>>; 2]> = LazyLock::new(|| {
        let texts = [
            r#"{"registrationId":"dev-1","rid":"7","apiVersion":"2026-11-01","metadata":{"site":"lisbon","floor":3,"tags":["a",null,true,1.5e3]},"wait":5}"#,
            r#"{"endpoints":{"ssh":"10.0.0.7:22"},"model":"pump","payload":[[[{"a":-1}]]],"latencies":{"hub-1":12},"current":{"hub":"h:1","etag":"9"}}"#,
            r#"{"status":429,"errorCode":429001,"message":"too many","action":"retry","retryAfter":3,"trackingId":"00000000-0000-0000-0000-000000000000"}"#,
            r#"{"status":200,"state":"assigned","substatus":"initialAssignment","registrationId":"d","deviceId":"d","assignedHub":"h:1","etag":"1","createdDateTimeUtc":"2026-01-01T00:00:00.0000000Z","lastUpdatedDateTimeUtc":"2026-01-01T00:00:00.0000000Z","enrollment":{"group":"g"}}"#,
        ];
        let json: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        let values = texts.iter().map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        let mut cbor: Vec<_> = values.map(|value| serde_cbor::to_vec(&value).unwrap()).collect();
        // Lengths that only lie, a text in pieces, tags, and a float that JSON cannot have.
        cbor.extend(
            [0x5b, 0x7b, 0x9b, 0xbb]
                .map(|head| [b"\xa1\x67payload".as_slice(), &[head, 0x80, 0, 0, 0, 0, 0, 0, 0]].concat()),
        );
        cbor.push(b"\xa1\x67payload\x7f\x61a\x61b\xff".to_vec());
        cbor.push(b"\xa1\x67payload\xd9\xd9\xf7\xf9\x7e\x00".to_vec());
        [json, cbor]
    });
    let (seeds, open, close) = match format {
        Format::Json => (&SEEDS[0], b"[".as_slice(), b"]".as_slice()),
        Format::Cbor => (&SEEDS[1], b"\x81".as_slice(), b"".as_slice()),
    };
    if random.below(16) == 0 {
        // Deep, and as large as a request may be.
        let depth = random.below(MAX_REQUEST - 16);
        let start = if format == Format::Json { b"{\"payload\":".as_slice() } else { b"\xa1\x67payload" };
        let end = if format == Format::Json { b"}".as_slice() } else { b"\xf6" };
        return [start, &open.repeat(depth), &close.repeat(depth.min(random.below(depth + 1))), end].concat();
    }
    mutated(random, seeds)
}

/// A group of a root, one of an intermediate, and one device with an entry of its own; and chains that are good for them.
struct Pki {
    book: Book,
    chains: Vec<Vec<CertificateDer<'static>>>,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let roots = [Authority::root("Root A").unwrap(), Authority::root("Root B").unwrap()];
    let line = roots[0].intermediate("Line").unwrap();
    let cell = line.intermediate("Cell").unwrap();
    let own = DeviceCertificate::new("own").self_signed().unwrap();
    let ed25519 = DeviceCertificate::new("dev-4").key_kind(KeyKind::Ed25519).signed_by(&line).unwrap();
    let group = |name: &str, authority: &Authority| {
        let certificate = EnrolledCertificate::group_ca(authority.certificate_der().clone()).unwrap();
        enrollment(EnrollmentName::Group(GroupId::parse(name).unwrap()), certificate)
    };
    let individual = EnrollmentName::Individual(RegistrationId::parse("own").unwrap());
    let entries = vec![
        group("root-b", &roots[1]),
        group("line", &line),
        enrollment(individual, EnrolledCertificate::leaf(own.chain[0].clone()).unwrap()),
    ];
    let devices = [("dev-1", &roots[1]), ("dev-2", &line), ("dev-3", &cell)];
    let mut chains: Vec<_> = devices.map(|(id, authority)| authority.device(id).unwrap().chain).into();
    chains.push(ed25519.chain);
    chains.push(own.chain);
    Pki { book: Book::new(1, entries).unwrap(), chains }
});

fn enrollment(name: EnrollmentName, certificate: EnrolledCertificate) -> Enrollment {
    Enrollment {
        name,
        enabled: true,
        certificates: Certificates { primary: certificate, secondary: None },
        device_id: None,
        allocation: AllocationPolicy::Hashed,
        hubs: Vec::new(),
        metadata: MetadataRules::default(),
        model: None,
        quotas: QuotaRates::default(),
        topics: TopicGrants::default(),
        reprovision: None,
        initial_twin: Default::default(),
        capabilities: Default::default(),
        resources: Default::default(),
        webhook: None,
        digest: 1,
    }
}

#[test]
fn chains_that_were_changed() {
    let Pki { book, chains } = &*PKI;
    let now = Timestamp::now();
    for chain in chains {
        judge(chain, book, now).expect("unchanged it is accepted");
    }
    let which = |input: &[u8]| usize::from(input[0]) % chains.len();
    // The first byte says which chain, the second which certificate of it, the rest takes that one's place.
    fuzz(|random| {
        let chain = random.below(chains.len());
        let certificate = random.below(chains[chain].len());
        let seed = [chains[chain][certificate].to_vec()];
        [&[chain as u8, certificate as u8][..], &mutated(random, &seed)].concat()
    })
    .run(|input| {
        let original = &chains[which(input)];
        let mut chain = original.clone();
        let changed = usize::from(input[1]);
        chain[changed] = input[2..].to_vec().into();
        let (verdict, used) = allocated(|| judge(&chain, book, now));
        let length: usize = chain.iter().map(|certificate| certificate.len()).sum();
        assert!(used <= bound(length), "{used} bytes allocated");
        if let Ok(proof) = verdict {
            let expected = judge(original, book, now).expect("unchanged it is accepted");
            assert_eq!(proof.id, expected.id, "a changed certificate proves another identity");
            assert_eq!(proof.enrollment.name, expected.enrollment.name);
        }
    });
}

#[test]
fn certificates_to_enroll() {
    let seeds: Vec<Vec<u8>> = PKI.chains.iter().flatten().map(|certificate| certificate.to_vec()).collect();
    fuzz(|random| mutated(random, &seeds)).run(|input| {
        let certificate = CertificateDer::from(input.to_vec());
        for enroll in [EnrolledCertificate::group_ca, EnrolledCertificate::leaf] {
            let (enrolled, used) = allocated(|| enroll(certificate.clone()));
            assert!(used <= bound(input.len()), "{used} bytes allocated");
            if let Ok(enrolled) = enrolled {
                let ((), used) = allocated(|| {
                    drop((enrolled.subject(), enrolled.issuer(), enrolled.serial(), format!("{enrolled:?}")))
                });
                assert!(used <= bound(input.len()), "{used} bytes allocated");
            }
        }
    });
}
