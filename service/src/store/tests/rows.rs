//! The row codecs of registrations and of the registry. The bytes of stored versions are written out here: files in the field hold them.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::domain::registration::Registered;
use crate::store::row::{
    self, NamedRegistration, OWN_ENROLLMENT, RegistrationStateV1 as StateV1, RegistrationV2, RowError,
};

/// Hub and substatus, or code and message.
type AnyState = Result<(u32, u8), (u32, String)>;
type AnyRow = (u64, u64, [u8; 32], [u8; 16], u32, String, Option<String>, (Option<String>, Option<Vec<u8>>), AnyState);

fn any_row() -> impl Strategy<Value = AnyRow> {
    (
        any::<u64>(),
        any::<u64>(),
        any::<[u8; 32]>(),
        any::<[u8; 16]>(),
        any::<u32>(),
        "[a-z0-9-]{1,128}",
        proptest::option::of("[a-zA-Z0-9-]{1,128}"),
        (proptest::option::of("\\PC{1,16}"), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300))),
        prop_oneof![(any::<u32>(), 0u8..3).prop_map(Ok), (any::<u32>(), "\\PC{0,300}").prop_map(Err)],
    )
}

proptest! {
    #[test]
    fn a_registration_row_reads_back((revision, time, thumbprint, operation, enrollment, id, device_id, (rid, payload), state) in any_row()) {
        let row = RegistrationV2 {
            revision,
            created: time,
            updated: !time,
            thumbprint,
            operation,
            enrollment,
            told: revision ^ time,
            id: &id,
            device_id: device_id.as_deref(),
            rid: rid.as_deref(),
            payload: payload.as_deref(),
            state: match &state {
                Ok((hub, substatus)) => StateV1::Assigned { hub: *hub, substatus: *substatus },
                Err((code, message)) => StateV1::Failed { code: *code, message },
            },
        };
        let mut bytes = Vec::new();
        row.encode(&mut bytes).unwrap();
        prop_assert_eq!(RegistrationV2::decode(&bytes).unwrap(), row);
        for len in 0..bytes.len() {
            prop_assert!(RegistrationV2::decode(&bytes[..len]).is_err());
        }
        bytes.push(0);
        prop_assert_eq!(RegistrationV2::decode(&bytes).unwrap_err(), RowError::Trailing(1));
    }

    #[test]
    fn arbitrary_bytes_are_a_row_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), known in any::<bool>()) {
        if let (true, Some(version)) = (known, bytes.first_mut()) {
            *version = 1 + *version % 2;
        }
        if let Ok(row) = RegistrationV2::decode(&bytes) {
            let _ = Registered::try_from(NamedRegistration { row, enrollment: None, hub: Some(hub("lisbon")) });
        }
        let _ = row::decode_device(&bytes);
    }

    #[test]
    fn a_registry_entry_reads_back(metadata in document(), values in document(), micros in any::<u64>(), model in any::<bool>()) {
        let device = Device {
            metadata,
            endpoints: [("a".to_owned(), "b".to_owned())].into(),
            model: model.then(|| ModelInstance { model: "pump".to_owned(), values }),
            updated: Timestamp::from_micros(micros),
        };
        let bytes = row::encode_device(&device).unwrap();
        prop_assert_eq!(row::decode_device(&bytes).unwrap(), device);
        for len in 0..bytes.len() {
            prop_assert!(row::decode_device(&bytes[..len]).is_err());
        }
    }
}

fn document() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON", |number| number.is_finite()).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(16, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("\\PC{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map("\\PC{0,6}", value, 0..4).prop_map(|map| map.into_iter().collect())
}

/// Version 1, byte for byte: revision 0x0102, times, thumbprint, operation, enrollment 3, ids, rid, then hub 5 and substatus 1.
pub fn golden() -> Vec<u8> {
    let mut row = vec![1, 0b011, 2, 1, 0, 0, 0, 0, 0, 0, 64, 66, 15, 0, 0, 0, 0, 0, 128, 132, 30, 0, 0, 0, 0, 0];
    row.extend([0xaa; 32]);
    row.extend([0xbb; 16]);
    row.extend([3, 0, 0, 0, 3, b'd', b'-', b'1', 2, b'D', b'1', 1, b'r', 5, 0, 0, 0, 1]);
    row
}

pub fn golden_registration() -> Registered {
    Registered {
        registration: Registration {
            id: id("d-1"),
            device_id: DeviceId::parse("D1").unwrap(),
            enrollment: group("line-7"),
            state: State::Assigned { hub: hub("lisbon"), substatus: Substatus::DeviceDataMigrated },
            thumbprint: Thumbprint([0xaa; 32]),
            operation: OperationId::from_bytes([0xbb; 16]),
            rid: Some(RequestId::parse("r").unwrap()),
            payload: None,
            told: 0,
            created: Timestamp::from_secs(1),
            updated: Timestamp::from_secs(2),
        },
        etag: ETag::new(0x0102),
    }
}

/// Version 2 of the same: what the hub was told behind the enrollment, a payload behind the rid.
fn golden_v2() -> Vec<u8> {
    let mut row = golden();
    (row[0], row[1]) = (2, 0b1011);
    let told = 2 + 3 * 8 + 32 + 16 + 4;
    row.splice(told..told, [9, 0, 0, 0, 0, 0, 0, 0]);
    let payload = row.len() - 5;
    row.splice(payload..payload, [4, 0, 0, 0, 0xa1, 0x61, b'a', 1]);
    row
}

fn golden_registration_v2() -> Registered {
    let mut registered = golden_registration();
    registered.registration.told = 9;
    registered.registration.payload = Some(json!({"a": 1}));
    registered
}

fn read_golden(bytes: &[u8]) -> Registered {
    let row = RegistrationV2::decode(bytes).unwrap();
    NamedRegistration { row, enrollment: Some(group("line-7")), hub: Some(hub("lisbon")) }.try_into().unwrap()
}

#[test]
fn the_bytes_of_a_row_stay_as_they_are() {
    let registered = golden_registration_v2();
    let payload = row::encode_payload(registered.registration.payload.as_ref().unwrap()).unwrap();
    let mut bytes = Vec::new();
    RegistrationV2::new(&registered.registration, Some(&payload), 0x0102, 3, 5).encode(&mut bytes).unwrap();
    assert_eq!(bytes, golden_v2());
    assert_eq!(read_golden(&bytes), registered);
}

#[test]
fn a_row_of_version_1_has_no_payload_and_its_hub_was_told_nothing() {
    assert_eq!(read_golden(&golden()), golden_registration());
}

#[test]
fn a_payload_that_is_too_long_is_refused_and_nothing_is_written() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    let long = Registration { payload: Some(json!("x".repeat(70_000))), ..registration("dev-1", 1) };
    let error = commit(&store, decision(long, None)).unwrap_err();
    assert!(error.to_string().contains("payload: 70005 is more than 65536"), "{error}");
    assert_eq!(store.check().unwrap().registrations, 0);
    let numbers = json!({"float": 0.1, "exact": u64::MAX, "small": 1e-300, "negative": i64::MIN});
    let kept = Registration { payload: Some(numbers), told: 77, ..registration("dev-1", 1) };
    commit(&store, decision(kept.clone(), None)).unwrap();
    assert_eq!(store.registration(&id("dev-1")).unwrap().unwrap().registration, kept);
}

#[test]
fn a_failed_row_holds_code_and_message() {
    let registration = Registration {
        state: failed("no hub"),
        device_id: DeviceId::from(&id("d-1")),
        ..golden_registration().registration
    };
    let mut bytes = Vec::new();
    RegistrationV2::new(&registration, None, 1, OWN_ENROLLMENT, 0).encode(&mut bytes).unwrap();
    assert_eq!(bytes[1], 0b110);
    let code = ErrorCode::NoHub.number().to_le_bytes();
    assert!(bytes.ends_with(&[&code[..], &[6, 0, 0, 0], b"no hub"].concat()));
    let row = RegistrationV2::decode(&bytes).unwrap();
    let read = Registered::try_from(NamedRegistration { row, enrollment: None, hub: None }).unwrap();
    assert_eq!(read.registration, Registration { enrollment: EnrollmentName::Individual(id("d-1")), ..registration });
}
