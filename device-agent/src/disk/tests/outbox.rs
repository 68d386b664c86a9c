//! The outbox's file: damaged, foreign, newer, and on a full disk.

use super::small_disk::SmallDisk;
use super::*;
use crate::disk::folder::Folder;
use crate::disk::outbox::{Fault, Gone, Outbox};

fn open(folder: &Folder) -> (Outbox, Vec<String>) {
    let mut warnings = Vec::new();
    (Outbox::open(folder, &mut warnings).unwrap(), warnings)
}

fn store(outbox: &mut Outbox, folder: &Folder, bodies: &[&str]) -> Result<Vec<Sequence>, Fault> {
    let messages: Vec<Telemetry> = bodies.iter().map(|body| message(body)).collect();
    let messages: Vec<&Telemetry> = messages.iter().collect();
    let stored = outbox.commit(folder, &messages, &Gone::new(), OutboxLimits::default())?;
    Ok(stored.into_iter().map(Result::unwrap).collect())
}

fn load(outbox: &mut Outbox, folder: &Folder) -> Result<Vec<Sequence>, Fault> {
    let loaded = outbox.load(folder, None, (10_000, 1 << 26), &Gone::new())?;
    Ok(loaded.into_iter().map(|(sequence, _)| sequence).collect())
}

fn filled() -> (TempDir, Folder) {
    let dir = TempDir::new().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let (mut outbox, _) = open(&folder);
    store(&mut outbox, &folder, &["1", "2", &"3".repeat(50_000)]).unwrap();
    outbox.close();
    (dir, folder)
}

#[test]
fn a_damaged_file_is_set_aside_or_repaired_and_telemetry_goes_on() {
    let (dir, folder) = filled();
    let path = dir.path().join("outbox.redb");
    let whole = fs::read(&path).unwrap();
    // The header, its commit slots, and a byte of every block behind.
    let places = (0..400).step_by(3).chain((4096..whole.len()).step_by(1365));
    let mut aside = 0;
    for at in places {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(&path, bytes).unwrap();
        let (mut outbox, warnings) = open(&folder);
        aside += warnings.len();
        let stored = store(&mut outbox, &folder, &["4"]).unwrap();
        assert!(load(&mut outbox, &folder).unwrap().contains(&stored[0]), "byte {at}");
        outbox.close();
    }
    assert!(aside > 0);
    assert!(dir.path().join("outbox.redb.damaged").exists());
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_set_aside() {
    let (dir, folder) = filled();
    let path = dir.path().join("outbox.redb");
    let whole = fs::read(&path).unwrap();
    for len in [0, 3, 4, 100, 4095, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        let (mut outbox, warnings) = open(&folder);
        assert_eq!(warnings.len(), 1, "{len}: {warnings:?}");
        assert_eq!(store(&mut outbox, &folder, &["4"]).unwrap(), [Sequence(1)]);
        outbox.close();
    }
}

#[test]
fn damage_while_it_is_open_does_not_give_a_number_again() {
    let (dir, folder) = filled();
    let (mut outbox, _) = open(&folder);
    let last = store(&mut outbox, &folder, &["4"]).unwrap()[0];
    let file = fs::OpenOptions::new().write(true).open(dir.path().join("outbox.redb")).unwrap();
    file.set_len(4096).unwrap();
    let _ = load(&mut outbox, &folder);
    let next = store(&mut outbox, &folder, &["5"]).unwrap()[0];
    assert!(next > last);
    assert_eq!(load(&mut outbox, &folder).unwrap().last(), Some(&next));
}

#[test]
fn what_a_newer_program_wrote_is_kept_for_it() {
    let (dir, folder) = filled();
    let path = dir.path().join("outbox.redb");
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    transaction.open_table(meta).unwrap().insert("format", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let (_, warnings) = open(&folder);
    assert!(warnings[0].contains("written by a newer program (format 2)"), "{warnings:?}");
    assert!(dir.path().join("outbox.redb.newer").exists());
}

#[test]
fn a_file_of_another_kind_is_set_aside() {
    let (dir, folder) = filled();
    let path = dir.path().join("outbox.redb");
    fs::remove_file(&path).unwrap();
    drop(redb::Database::create(&path).unwrap());
    let (_, warnings) = open(&folder);
    assert_eq!(warnings.len(), 1, "tables of another program: {warnings:?}");
    fs::create_dir(&path).unwrap();
    fs::remove_file(dir.path().join("outbox.redb.damaged")).unwrap();
    let error = Outbox::open(&folder, &mut Vec::new());
    assert!(error.is_ok());
}

#[test]
fn a_full_disk_refuses_and_works_again_when_there_is_room() {
    let (_dir, folder) = filled();
    let (mut outbox, _) = open(&folder);
    let large = "x".repeat(200_000);
    let Some(small) = SmallDisk::new(600 * 1024) else { return };
    let mut stored = Vec::new();
    let fault = loop {
        match store(&mut outbox, &folder, &[&large]) {
            Ok(sequences) => stored.extend(sequences),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault, Fault::Full);
    assert!(matches!(outbox.error(&fault, &folder), DiskError::DiskFull { .. }));
    let waiting = load(&mut outbox, &folder).unwrap();
    assert!(stored.iter().all(|sequence| waiting.contains(sequence)), "what waits can be sent meanwhile");
    assert_eq!(store(&mut outbox, &folder, &[&large]).unwrap_err(), Fault::Full);
    drop(small);
    let next = store(&mut outbox, &folder, &[&large]).unwrap()[0];
    assert_eq!(load(&mut outbox, &folder).unwrap().last(), Some(&next));
    outbox.close();
    let (mut outbox, warnings) = open(&folder);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(load(&mut outbox, &folder).unwrap().last(), Some(&next));
}
