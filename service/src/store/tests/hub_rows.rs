//! The row codecs of devices on hubs. The bytes of version 1 are written out here: files in the field will hold them.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::fixtures::*;
use super::*;
use crate::domain::hub_device::{DeviceState, Event, QueuedMessage};
use crate::domain::ports::{HubSettings, HubStore, HubWrite};
use crate::domain::twin::{Metadata, Section, Twin};
use crate::store::row::{self, HubDeviceV1, IdentityV1, RowError, StandingV1, StateV1, TransferV1, TwinRow};

fn metadata() -> impl Strategy<Value = Metadata> {
    let leaf =
        any::<u64>().prop_map(|micros| Metadata { updated: Timestamp::from_micros(micros), below: Default::default() });
    leaf.prop_recursive(10, 32, 4, |inner| {
        (any::<u64>(), proptest::collection::btree_map("\\PC{0,6}", inner, 0..4))
            .prop_map(|(micros, below)| Metadata { updated: Timestamp::from_micros(micros), below })
    })
}

fn properties() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON", |number| number.is_finite()).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(10, 32, 4, |inner| {
        proptest::collection::btree_map("\\PC{0,6}", inner, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    proptest::collection::btree_map("\\PC{0,6}", value, 0..4).prop_map(|map| map.into_iter().collect())
}

fn any_twin() -> impl Strategy<Value = Twin> {
    let section = || {
        (properties(), metadata(), any::<u64>()).prop_map(|(properties, metadata, version)| Section {
            properties,
            metadata,
            version,
        })
    };
    (properties(), section(), section(), any::<u64>()).prop_map(|(tags, desired, reported, version)| Twin {
        tags,
        desired,
        reported,
        version,
    })
}

fn any_standing() -> impl Strategy<Value = StandingV1<'static>> {
    let last = || proptest::option::of(any::<[u8; 16]>());
    prop_oneof![
        last().prop_map(|last| StandingV1::Active { last }),
        any::<[u8; 16]>().prop_map(StandingV1::Held),
        any::<[u8; 16]>().prop_map(StandingV1::Fenced),
        (last(), any::<u64>(), proptest::option::of(Just("hub.example:8883")))
            .prop_map(|(last, at, to)| StandingV1::Moved { last, at, to }),
    ]
}

proptest! {
    #[test]
    fn a_twin_reads_back_with_all_its_times(twin in any_twin()) {
        let row = TwinRow::row(&twin).unwrap();
        prop_assert_eq!(row::twin_version(&row).unwrap(), twin.version);
        prop_assert_eq!(row::decode_twin(&row).unwrap(), twin);
        for len in 0..row.len() {
            prop_assert!(row::decode_twin(&row[..len]).is_err());
        }
    }

    #[test]
    fn a_device_on_a_hub_reads_back(
        standing in any_standing(),
        fresh_twin in proptest::option::of(any::<u64>()),
        apart in any::<bool>(),
        filters in proptest::collection::vec((0u8..2, "\\PC{0,20}"), 0..4),
        usual in any::<bool>(),
    ) {
        let mut identity = identity("dev-1", if apart { "Pump" } else { "dev-1" });
        if usual {
            identity.resources = Default::default();
            identity.topics = Default::default();
        }
        let subscriptions = filters.iter().map(|(qos, filter)| (*qos, &**filter)).collect();
        let identity = IdentityV1::new(&identity);
        let row = HubDeviceV1 { hub: 3, revision: 4, created: 5, standing, fresh_twin, apart, identity, subscriptions };
        let mut bytes = Vec::new();
        row.encode(&mut bytes).unwrap();
        prop_assert_eq!(HubDeviceV1::decode(&bytes).unwrap(), row);
        for len in 0..bytes.len() {
            prop_assert!(HubDeviceV1::decode(&bytes[..len]).is_err());
        }
        bytes.push(0);
        prop_assert_eq!(HubDeviceV1::decode(&bytes).unwrap_err(), RowError::Trailing(1));
    }

    #[test]
    fn messages_read_back_and_count_what_they_carry(
        properties in "\\PC{0,40}",
        payload in proptest::collection::vec(any::<u8>(), 0..100),
        time in any::<u64>(),
        deliveries in any::<u32>(),
    ) {
        let size = (properties.len() + payload.len()) as u64;
        let (enqueued, expires) = (Timestamp::from_micros(time), Timestamp::from_micros(!time));
        let message = QueuedMessage { properties: properties.clone(), payload: payload.clone(), enqueued, expires, deliveries };
        let row = row::encode_message(&message).unwrap();
        prop_assert_eq!(row::message_size(&row), size);
        prop_assert_eq!(row::decode_message(&row).unwrap(), message.clone());
        let again = row::decode_message(&row::delivered_once_more(&row).unwrap()).unwrap();
        prop_assert_eq!(again, QueuedMessage { deliveries: deliveries.saturating_add(1), ..message });
        let event = Event { properties, payload, at: enqueued };
        let row = row::encode_event(&event).unwrap();
        prop_assert_eq!(row::event_size(&row), size);
        prop_assert_eq!(row::decode_event(&row).unwrap(), event);
    }

    #[test]
    fn arbitrary_bytes_are_a_row_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for version in [None, Some(1)] {
            if let (Some(version), Some(first)) = (version, bytes.first_mut()) {
                *first = version;
            }
            if let Ok(row) = HubDeviceV1::decode(&bytes) {
                let _ = row.identity.identity::<RowError>(|_| Ok(Arc::from(&[][..]))).and_then(|identity| row.device(identity));
            }
            let _ = TransferV1::<DeviceState>::decode(&bytes);
            let _ = (row::decode_twin(&bytes), row::decode_message(&bytes), row::decode_event(&bytes));
            let _ = row::decode_hub_settings(&bytes);
        }
    }
}

/// Flags, hub 3, revision 4, created 5, operation, twin made at 6, then the identity: flags, id, device id, one certificate, resources,
/// topics; one subscription.
#[test]
fn the_bytes_of_a_device_on_a_hub_stay_as_they_are() {
    let mut row = vec![1, 0b0010_1101, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
    row.extend([0xaa; 16]);
    row.extend([6, 0, 0, 0, 0, 0, 0, 0, 0b11111, 3, b'd', b'-', b'1', 2, b'D', b'1', 1]);
    row.extend([0xbb; 32]);
    row.extend([3, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
    row.extend([2, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0]);
    row.extend([1, 0, 1, 0, b'p', 0, 0, 1, 0, 1, 2, 0, b's', b'#']);
    let device = HubDeviceV1::decode(&row).unwrap();
    assert_eq!((device.hub, device.revision, device.created, device.fresh_twin), (3, 4, 5, Some(6)));
    assert_eq!(device.standing, StandingV1::Held([0xaa; 16]));
    let identity = &device.identity;
    assert_eq!((identity.registration_id, identity.device_id), ("d-1", Some("D1")));
    assert!(identity.authorities && identity.iot_edge);
    assert_eq!((&*identity.certificates, &*identity.publish), (&[[0xbb; 32]][..], &["p"][..]));
    assert_eq!((identity.resources.queue_expiry, identity.resources.events_bytes), (Duration::new(60, 7), 30));
    assert_eq!(device.subscriptions, [(1, "s#")]);
    let mut again = Vec::new();
    device.encode(&mut again).unwrap();
    assert_eq!(again, row);
}

#[test]
fn the_bytes_of_a_twin_and_of_messages_stay_as_they_are() {
    let section = b"\xa3jproperties\xa1aa\x01hmetadata\x82\x05\xa1aa\x82\x06\xa0gversion\x02";
    let empty = b"\xa3jproperties\xa0hmetadata\x82\x05\xa0gversion\x01";
    let row =
        [&b"\x01\x07\0\0\0\0\0\0\0\xa3dtags\xa0gdesired"[..], &section[..], &b"hreported"[..], &empty[..]].concat();
    let twin = row::decode_twin(&row).unwrap();
    assert_eq!((twin.version, twin.desired.version, twin.reported.version), (7, 2, 1));
    assert_eq!(twin.desired.metadata.below["a"].updated, Timestamp::from_micros(6));
    assert_eq!(TwinRow::row(&twin).unwrap(), row);

    let row = b"\x01\x02\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x03\0\0\0a=bpayload";
    let message = row::decode_message(row).unwrap();
    assert_eq!((message.deliveries, message.expires.micros(), message.enqueued.micros()), (2, 3, 4));
    assert_eq!((&*message.properties, &*message.payload), ("a=b", &b"payload"[..]));
    assert_eq!(row::encode_message(&message).unwrap(), row);
    let row = b"\x01\x04\0\0\0\0\0\0\0\x03\0\0\0a=bpayload";
    assert_eq!(row::encode_event(&row::decode_event(row).unwrap()).unwrap(), row);
}

#[test]
fn a_twin_that_nothing_was_written_to_needs_no_row() {
    assert_eq!(TwinRow::new(&empty(1).twin).unwrap(), TwinRow::Fresh(at(1).micros()));
    assert_eq!(row::fresh_twin(at(1).micros()), empty(1).twin);
    let mut changed = empty(1).twin;
    changed.reported.metadata.updated = at(2);
    for twin in [changed, twin(1)] {
        assert!(matches!(TwinRow::new(&twin).unwrap(), TwinRow::Row(_)));
    }
}

#[test]
fn hub_settings_read_back_and_unset_ones_have_no_row() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    let settings = HubSettings { drained: Some(true), evacuation: Some(60), remote: Some("https://[::1]:8444".into()) };
    block_on(store.set_hub_settings(&hub("oslo"), settings.clone())).unwrap();
    block_on(store.set_hub_settings(&hub("lisbon"), HubSettings { drained: Some(false), ..Default::default() }))
        .unwrap();
    assert_eq!(store.hub_settings().unwrap()[1], (hub("oslo"), settings));
    block_on(store.set_hub_settings(&hub("oslo"), HubSettings::default())).unwrap();
    drop(store);
    let store = open_on(&disk).unwrap();
    assert_eq!(store.hub_settings().unwrap().len(), 1);
    store.check().unwrap();
}

#[test]
fn what_is_too_long_for_its_row_is_refused_alone() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    let mut long = identity("dev-1", "dev-1");
    long.topics.publish = vec!["x".repeat(70_000)];
    let write_long = HubWrite::Provision { operation: operation(1), identity: long, state: empty(1).into(), at: at(1) };
    let error = write(&store, "lisbon", "dev-1", write_long).unwrap_err();
    assert!(error.to_string().contains("topic: 70000 is more than 65535"), "{error}");
    assert_eq!(store.hub_device(&hub("lisbon"), &device_id("dev-1")).unwrap(), None);
    assert!(StateV1::new(&full(1)).is_ok());
}
