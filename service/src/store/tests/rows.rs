//! The row codecs. The bytes of version 1 are written out here: files in the field hold them.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::domain::registration::Registered;
use crate::store::row::{self, NamedRegistration, OWN_ENROLLMENT, RegistrationV1, RowError, StateV1};

/// Hub and substatus, or code and message.
type AnyState = Result<(u32, u8), (u32, String)>;
type AnyRow = (u64, u64, [u8; 32], [u8; 16], u32, String, Option<String>, Option<String>, AnyState);

fn any_row() -> impl Strategy<Value = AnyRow> {
    (
        any::<u64>(),
        any::<u64>(),
        any::<[u8; 32]>(),
        any::<[u8; 16]>(),
        any::<u32>(),
        "[a-z0-9-]{1,128}",
        proptest::option::of("[a-zA-Z0-9-]{1,128}"),
        proptest::option::of("\\PC{1,16}"),
        prop_oneof![(any::<u32>(), 0u8..3).prop_map(Ok), (any::<u32>(), "\\PC{0,300}").prop_map(Err)],
    )
}

proptest! {
    #[test]
    fn a_registration_row_reads_back((revision, time, thumbprint, operation, enrollment, id, device_id, rid, state) in any_row()) {
        let row = RegistrationV1 {
            revision,
            created: time,
            updated: !time,
            thumbprint,
            operation,
            enrollment,
            id: &id,
            device_id: device_id.as_deref(),
            rid: rid.as_deref(),
            state: match &state {
                Ok((hub, substatus)) => StateV1::Assigned { hub: *hub, substatus: *substatus },
                Err((code, message)) => StateV1::Failed { code: *code, message },
            },
        };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        prop_assert_eq!(RegistrationV1::decode(&bytes).unwrap(), row);
        for len in 0..bytes.len() {
            prop_assert!(RegistrationV1::decode(&bytes[..len]).is_err());
        }
        bytes.push(0);
        prop_assert_eq!(RegistrationV1::decode(&bytes).unwrap_err(), RowError::Trailing(1));
    }

    #[test]
    fn arbitrary_bytes_are_a_row_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), known in any::<bool>()) {
        if let (true, Some(version)) = (known, bytes.first_mut()) {
            *version = 1;
        }
        if let Ok(row) = RegistrationV1::decode(&bytes) {
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
fn golden() -> Vec<u8> {
    let mut row = vec![1, 0b011, 2, 1, 0, 0, 0, 0, 0, 0, 64, 66, 15, 0, 0, 0, 0, 0, 128, 132, 30, 0, 0, 0, 0, 0];
    row.extend([0xaa; 32]);
    row.extend([0xbb; 16]);
    row.extend([3, 0, 0, 0, 3, b'd', b'-', b'1', 2, b'D', b'1', 1, b'r', 5, 0, 0, 0, 1]);
    row
}

fn golden_registration() -> Registered {
    Registered {
        registration: Registration {
            id: id("d-1"),
            device_id: DeviceId::parse("D1").unwrap(),
            enrollment: group("line-7"),
            state: State::Assigned { hub: hub("lisbon"), substatus: Substatus::DeviceDataMigrated },
            thumbprint: Thumbprint([0xaa; 32]),
            operation: OperationId::from_bytes([0xbb; 16]),
            rid: Some(RequestId::parse("r").unwrap()),
            created: Timestamp::from_secs(1),
            updated: Timestamp::from_secs(2),
        },
        etag: ETag::new(0x0102),
    }
}

#[test]
fn the_bytes_of_a_version_1_row_stay_as_they_are() {
    let mut bytes = Vec::new();
    RegistrationV1::new(&golden_registration().registration, 0x0102, 3, 5).encode(&mut bytes);
    assert_eq!(bytes, golden());
}

#[test]
fn a_failed_row_holds_code_and_message() {
    let registration = Registration {
        state: failed("no hub"),
        device_id: DeviceId::from(&id("d-1")),
        ..golden_registration().registration
    };
    let mut bytes = Vec::new();
    RegistrationV1::new(&registration, 1, OWN_ENROLLMENT, 0).encode(&mut bytes);
    assert_eq!(bytes[1], 0b110);
    let code = ErrorCode::NoHub.number().to_le_bytes();
    assert!(bytes.ends_with(&[&code[..], &[6, 0, 0, 0], b"no hub"].concat()));
    let row = RegistrationV1::decode(&bytes).unwrap();
    let read = Registered::try_from(NamedRegistration { row, enrollment: None, hub: None }).unwrap();
    assert_eq!(read.registration, Registration { enrollment: EnrollmentName::Individual(id("d-1")), ..registration });
}

/// A file as version 1 writes it, made with redb alone: table names, types and keys are part of the format.
#[test]
fn a_store_written_by_version_1_opens() {
    use redb::TableDefinition;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v1.redb");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let table = |name| TableDefinition::<&str, u64>::new(name);
        transaction.open_table(table("registration_numbers")).unwrap().insert("d-1", 1).unwrap();
        let mut meta = transaction.open_table(table("meta")).unwrap();
        for (key, value) in [("format_version", 1), ("next_number", 2), ("revision", 0x0102)] {
            meta.insert(key, value).unwrap();
        }
        let table = |name| TableDefinition::<u64, &[u8]>::new(name);
        transaction.open_table(table("registrations")).unwrap().insert(1, &*golden()).unwrap();
        let document = b"\x01\xa4hmetadata\xa1fserial\x07iendpoints\xa0emodel\xf6gupdated\x05";
        transaction.open_table(table("devices")).unwrap().insert(1, &document[..]).unwrap();
        let table = |name| TableDefinition::<(u32, u64), ()>::new(name);
        transaction.open_table(table("registrations_by_enrollment")).unwrap().insert((3, 1), ()).unwrap();
        transaction.open_table(table("registrations_by_hub")).unwrap().insert((5, 1), ()).unwrap();
        transaction.open_table(table("registrations_by_state")).unwrap().insert((1, 1), ()).unwrap();
        let table = |name| TableDefinition::<u32, &str>::new(name);
        transaction.open_table(table("enrollment_names")).unwrap().insert(3, "group:line-7").unwrap();
        transaction.open_table(table("hub_names")).unwrap().insert(5, "lisbon").unwrap();
        let mut counts = transaction.open_table(TableDefinition::<(u8, u32), u64>::new("registration_counts")).unwrap();
        for key in [(0, 0), (1, 3), (2, 5), (3, 1)] {
            counts.insert(key, 1).unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(database);

    let store = RedbStore::open(&path, &small()).unwrap();
    assert_eq!(store.registration(&id("d-1")).unwrap(), Some(golden_registration()));
    let device = store.device(&id("d-1")).unwrap().unwrap();
    assert_eq!((Value::Object(device.metadata), device.updated), (json!({"serial": 7}), Timestamp::from_micros(5)));
    store.check().unwrap();
    assert_eq!(commit(&store, decision(registration("d-2", 1), None)).unwrap(), ETag::new(0x0103));
}
