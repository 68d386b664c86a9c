//! The small files: torn, damaged, foreign, newer, and cut off between any two steps.

use super::small_disk::SmallDisk;
use super::*;
use crate::disk::envelope;
use crate::disk::folder::{Folder, Unusable};
use crate::disk::generations::Generations;

const NAME: &str = "assignment.cbor";

fn open(folder: &Folder) -> (Generations<Known>, Option<Known>, Vec<String>) {
    let mut warnings = Vec::new();
    let (file, found) = Generations::open(folder, NAME, &mut warnings).unwrap();
    (file, found, warnings)
}

/// A folder with two generations, and what is in the newer one's file.
fn two_generations() -> (TempDir, Folder, Vec<u8>) {
    let dir = TempDir::new().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let (mut file, _, _) = open(&folder);
    file.save(&folder, &known("old:8883")).unwrap();
    file.save(&folder, &known("new:8883")).unwrap();
    let sealed = fs::read(dir.path().join(NAME)).unwrap();
    (dir, folder, sealed)
}

#[test]
fn any_byte_changed_or_cut_off_gives_the_generation_before() {
    let (dir, folder, sealed) = two_generations();
    let path = dir.path().join(NAME);
    let flipped = (0..sealed.len()).flat_map(|at| {
        [0x01, 0x80, 0xff].map(|bits| {
            let mut bytes = sealed.clone();
            bytes[at] ^= bits;
            bytes
        })
    });
    let cut = (0..sealed.len()).map(|len| sealed[..len].to_vec());
    let longer = [0_u8, 0xff].map(|more| [sealed.as_slice(), &[more]].concat());
    for bytes in flipped.chain(cut).chain(longer) {
        fs::write(&path, bytes).unwrap();
        let (_, found, warnings) = open(&folder);
        assert_eq!(found, Some(known("old:8883")));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(!path.exists());
    }
}

#[test]
fn where_both_generations_are_damaged_nothing_is_known_and_both_are_kept_for_people() {
    let (dir, folder, sealed) = two_generations();
    for len in 0..sealed.len() {
        fs::write(dir.path().join(NAME), &sealed[..len]).unwrap();
        fs::write(dir.path().join("assignment.cbor.previous"), &sealed[len..]).unwrap();
        let (_, found, warnings) = open(&folder);
        assert_eq!(found, if len == 0 { Some(known("new:8883")) } else { None });
        assert_eq!(warnings.len(), 2);
        let aside = if len == 0 { &["assignment.cbor.damaged"][..] } else { &["assignment.cbor.previous.damaged"] };
        assert!(aside.iter().all(|name| dir.path().join(name).exists()), "{:?}", names(dir.path()));
    }
}

#[test]
fn a_whole_generation_is_there_whatever_step_is_the_last() {
    for done in 0..=4 {
        let (dir, folder, _) = two_generations();
        let (file, _, _) = open(&folder);
        let (sealed, _) = envelope::seal(NAME, &known("newest:8883")).unwrap();
        for step in file.steps(&folder, &sealed).into_iter().take(done) {
            step().unwrap();
        }
        drop(file);
        let (mut file, found, warnings) = open(&folder);
        let expected = if done < 3 { "new:8883" } else { "newest:8883" };
        assert_eq!((found, warnings.len()), (Some(known(expected)), 0), "after {done} steps");
        assert!(!dir.path().join("assignment.cbor.new").exists());
        file.save(&folder, &known("last:8883")).unwrap();
        assert_eq!(open(&folder).1, Some(known("last:8883")), "after {done} steps");
    }
}

#[test]
fn a_write_cut_off_in_the_middle_of_a_file_leaves_the_one_before() {
    let (dir, folder, sealed) = two_generations();
    for len in 0..sealed.len() {
        fs::write(dir.path().join("assignment.cbor.new"), &sealed[..len]).unwrap();
        let (_, found, warnings) = open(&folder);
        assert_eq!((found, warnings.len()), (Some(known("new:8883")), 0));
    }
    assert_eq!(names(dir.path()), ["assignment.cbor", "assignment.cbor.previous", "lock"]);
}

#[test]
fn what_a_newer_program_wrote_is_kept_for_it() {
    let (dir, folder, mut sealed) = two_generations();
    sealed[11] = 2;
    fs::write(dir.path().join(NAME), &sealed).unwrap();
    let (mut file, found, warnings) = open(&folder);
    assert_eq!(found, Some(known("old:8883")));
    assert!(warnings[0].contains("written by a newer program (format 2)"), "{warnings:?}");
    file.save(&folder, &known("new:8883")).unwrap();
    assert_eq!(fs::read(dir.path().join("assignment.cbor.newer")).unwrap(), sealed);
}

#[test]
fn a_file_of_another_kind_is_not_taken_for_this_one() {
    let (dir, folder, sealed) = two_generations();
    assert!(matches!(envelope::open::<twin::Kept>("twin.cbor", &sealed), Err(Unusable::Damaged(_))));
    fs::write(dir.path().join(NAME), "[service]\nhost = 'x'").unwrap();
    assert!(open(&folder).2[0].contains("a file of another kind"));
    fs::write(dir.path().join(NAME), vec![0; envelope::MAX_LEN + 1]).unwrap();
    assert!(open(&folder).2[0].contains("it is larger than"));
    fs::create_dir(dir.path().join("other")).unwrap();
    std::os::unix::fs::symlink("other", dir.path().join(NAME)).unwrap();
    assert!(open(&folder).2[0].contains("it is no regular file"));
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let (dir, folder, _) = two_generations();
    let changed =
        || fs::metadata(dir.path().join(NAME)).map(|found| std::os::unix::fs::MetadataExt::ino(&found)).unwrap();
    let before = changed();
    let (mut file, _, _) = open(&folder);
    file.save(&folder, &known("new:8883")).unwrap();
    assert_eq!(changed(), before);
    file.save(&folder, &known("newest:8883")).unwrap();
    assert_ne!(changed(), before);
}

#[test]
fn a_value_that_no_file_may_hold_is_refused_and_the_one_before_stays() {
    let (_dir, folder, _) = two_generations();
    let (mut file, _, _) = open(&folder);
    let error = file.save(&folder, &known(&"x".repeat(envelope::MAX_LEN))).unwrap_err();
    assert!(error.to_string().contains("are more than the 1048576 allowed"), "{error}");
    assert_eq!(open(&folder).1, Some(known("new:8883")));
}

#[test]
fn a_full_disk_leaves_what_is_there_and_takes_the_same_again_when_there_is_room() {
    let (dir, folder, _) = two_generations();
    let (mut file, _, _) = open(&folder);
    let Some(small) = SmallDisk::new(64) else { return };
    let error = file.save(&folder, &known("newest:8883")).unwrap_err();
    drop(small);
    assert!(matches!(error, DiskError::DiskFull { .. }), "{error}");
    assert_eq!(names(dir.path()), ["assignment.cbor", "assignment.cbor.previous", "lock"]);
    assert_eq!(open(&folder).1, Some(known("new:8883")));
    file.save(&folder, &known("newest:8883")).unwrap();
    assert_eq!(open(&folder).1, Some(known("newest:8883")));
}

#[test]
fn a_file_that_may_not_be_read_is_not_forgotten() {
    let (dir, folder, _) = two_generations();
    let path = dir.path().join(NAME);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    let error = Generations::<Known>::open(&folder, NAME, &mut Vec::new()).err().unwrap();
    assert!(matches!(error, DiskError::Unreadable { .. }), "{error}");
    assert!(path.exists());
}
