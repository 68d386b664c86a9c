//! Files that are there, are not, or are something else.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::domain::ports::StoreError;
use crate::store::{format, open, tables};

fn open_error(path: &Path) -> OpenError {
    match RedbStore::open(path, &small()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

#[test]
fn a_new_store_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib/firsthop/registry.redb");
    RedbStore::open(&path, &small()).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1, "nothing is left of making it");
}

#[test]
fn what_was_committed_is_there_after_closing_and_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.redb");
    let store = RedbStore::open(&path, &small()).unwrap();
    let etag =
        commit(&store, Decision { device: Some(device(1)), ..decision(registration("dev-1", 1), None) }).unwrap();
    block_on(store.close());
    assert!(matches!(
        commit(&store, decision(registration("dev-2", 1), None)),
        Err(CommitError::Store(StoreError::Closed))
    ));
    assert!(matches!(store.registration(&id("dev-1")), Err(StoreError::Closed)));
    let store = RedbStore::open(&path, &small()).unwrap();
    let stored = store.registration(&id("dev-1")).unwrap().unwrap();
    assert_eq!((stored.registration, stored.etag), (registration("dev-1", 1), etag));
    assert_eq!(store.device(&id("dev-1")).unwrap(), Some(device(1)));
    assert!(commit(&store, decision(registration("dev-2", 1), None)).unwrap() > etag);
}

#[test]
fn a_store_left_unfinished_by_a_crash_while_it_was_made_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("registry.redb.new"), [0; 8192]).unwrap();
    RedbStore::open(folder.path().join("registry.redb"), &small()).unwrap().check().unwrap();
}

#[test]
fn a_store_in_use_is_refused_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.redb");
    let _store = RedbStore::open(&path, &small()).unwrap();
    let error = open_error(&path);
    assert!(matches!(error, OpenError::InUse { .. }) && error.to_string().contains("registry.redb"), "{error}");
}

#[test]
fn a_directory_is_not_a_store() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open_error(folder.path()), OpenError::IsDirectory { .. }));
}

#[test]
fn other_files_are_not_taken_for_stores_and_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    for content in
        [&b""[..], b"re", b"redb", b"redb\x1a\x0a\xa9\x0d\x0a", b"SQLite format 3\0", &[0; 9000], &[0x72; 9000]]
    {
        std::fs::write(&path, content).unwrap();
        let error = open_error(&path);
        assert!(
            matches!(error, OpenError::NotAStore { .. } | OpenError::Damaged { .. } | OpenError::Io { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("other"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_redb_database_of_another_program_is_not_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.redb");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<&str, &str>::new("theirs")).unwrap().insert("a", "b").unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(open_error(&path), OpenError::NotAStore { .. }));
}

#[test]
fn a_store_of_a_newer_version_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.redb");
    drop(RedbStore::open(&path, &small()).unwrap());
    let database = redb::Database::create(&path).unwrap();
    format::write_format_version(&database, 7);
    drop(database);
    let error = open_error(&path);
    assert!(matches!(error, OpenError::Newer { found: 7, known: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("version 7") && error.to_string().contains("up to 2"), "{error}");
}

#[test]
fn a_row_of_a_newer_version_is_damage_that_names_table_and_key() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    commit(&store, decision(registration("dev-1", 1), None)).unwrap();
    block_on(store.close());
    let database = open::Source::open(&DiskSource(disk.clone())).unwrap();
    let transaction = format::begin_durable(&database).unwrap();
    transaction.open_table(tables::REGISTRATIONS).unwrap().insert(1, &[9, 1, 2, 3][..]).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let store = open_on(&disk).unwrap();
    let StoreError::Damaged(reason) = store.registration(&id("dev-1")).unwrap_err() else { panic!("not damaged") };
    assert!(reason.contains("table registrations, key 1") && reason.contains("version 9"), "{reason}");
    // It concerns that device alone.
    let error = commit(&store, decision(registration("dev-1", 2), None)).unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Damaged(_))), "{error}");
    commit(&store, decision(registration("dev-2", 1), None)).unwrap();
    assert!(matches!(store.check(), Err(StoreError::Damaged(_))));
}

#[test]
fn a_truncated_store_is_refused_or_whole_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.redb");
    let store = RedbStore::open(&path, &small()).unwrap();
    for number in 0..300 {
        // Over a megabyte, so that the file ends in what is used.
        let mut device = device(number);
        device.metadata.insert("note".to_owned(), "x".repeat(8000).into());
        commit(&store, Decision { device: Some(device), ..decision(registration(&format!("dev-{number}"), 1), None) })
            .unwrap();
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let cuts = (1..8).map(|eighth| whole.len() * eighth / 8).chain([
        4,
        9,
        100,
        320,
        4096,
        8192,
        whole.len() - 4096,
        whole.len() - 1,
    ]);
    for len in cuts {
        std::fs::write(&path, &whole[..len]).unwrap();
        let error = open_error(&path);
        assert!(error.to_string().contains("registry.redb"), "{len} of {}: {error}", whole.len());
    }
}

#[test]
fn a_place_where_nothing_may_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("closed");
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write everywhere, except beneath a file.
    let (path, as_root) = match std::fs::File::create(place.join("probe")) {
        Err(_) => (place.join("registry.redb"), false),
        Ok(_) => (place.join("probe/registry.redb"), true),
    };
    let error = open_error(&path);
    assert!(as_root || matches!(error, OpenError::Permission { .. }), "{error:?}");
    assert!(error.to_string().contains(place.to_str().unwrap()), "{error}");
}
