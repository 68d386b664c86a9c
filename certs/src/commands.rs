//! What each command does.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use firsthop_certs::{
    Authority, AuthorityCertificate, AuthorityProblem, DeviceCertificate, FileError, Identity, ServerCertificate,
    Validity, WrittenPair,
};
use time::OffsetDateTime;

use crate::arguments::{Arguments, Command, Output, Place, Signer};

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let now = OffsetDateTime::now_utc();
    match arguments.command {
        Command::Root { cn, path_length, days, stem, output } => {
            let authority = authority(&cn, path_length, &output, now, days).self_signed();
            write_authority(&authority.context("root authority")?, &output.place, &stem)
        }
        Command::Intermediate { signer, cn, path_length, days, stem, output } => {
            let above = load(&signer, Signs::Authorities, now)?;
            let authority = authority(&cn, path_length, &output, now, days).signed_by(&above);
            write_authority(&authority.context("intermediate authority")?, &output.place, &stem)
        }
        Command::Device { signer, subject, days, output } => {
            let device = DeviceCertificate::new(&subject.id)
                .key_kind(output.key_kind)
                .validity(Validity::days(now, days))
                .signed_by(&load(&signer, Signs::Leaves, now)?)
                .with_context(|| format!("device {:?}", subject.id))?;
            write_identity(&device, &output.place, subject.stem())
        }
        Command::Server { signer, sans, days, stem, output } => {
            let server = ServerCertificate::new(&sans)
                .key_kind(output.key_kind)
                .validity(Validity::days(now, days))
                .signed_by(&load(&signer, Signs::Leaves, now)?)
                .context("server certificate")?;
            write_identity(&server, &output.place, &stem)
        }
        Command::Broken { signer, subject, defect, place } => {
            let device = load(&signer, Signs::Leaves, now)?
                .broken_device_at(&subject.id, defect, now)
                .with_context(|| format!("device {:?}", subject.id))?;
            write_identity(&device, &place, subject.stem())?;
            println!("must be refused: {}", defect.description());
            Ok(())
        }
        Command::Pki { devices, sans, output } => pki(devices, &sans, &output, now),
    }
}

fn pki(devices: u32, sans: &[String], output: &Output, now: OffsetDateTime) -> Result<()> {
    let root =
        authority("Firsthop Development Root", None, output, now, 3650).self_signed().context("root authority")?;
    let group = authority("Firsthop Development Group", Some(0), output, now, 1825)
        .signed_by(&root)
        .context("group authority")?;
    let leaf = Validity::days(now, 365);
    let server = ServerCertificate::new(sans)
        .key_kind(output.key_kind)
        .validity(leaf)
        .signed_by(&root)
        .context("server certificate")?;

    write_authority(&root, &output.place, "root")?;
    write_authority(&group, &output.place, "group")?;
    write_identity(&server, &output.place, "server")?;
    let place = Place { out: output.place.out.join("devices"), force: output.place.force };
    for number in 1..=devices {
        let id = format!("dev-{number:04}");
        let device = DeviceCertificate::new(&id).key_kind(output.key_kind).validity(leaf).signed_by(&group);
        let device = device.with_context(|| format!("device {id}"))?;
        write(&place, |dir| device.replace(dir, &id), |dir| device.write(dir, &id))?;
    }
    println!("{}: {devices} device certificates with their keys", place.out.display());
    Ok(())
}

fn authority(
    cn: &str,
    path_length: Option<u8>,
    output: &Output,
    now: OffsetDateTime,
    days: u32,
) -> AuthorityCertificate {
    let builder = AuthorityCertificate::new(cn).key_kind(output.key_kind).validity(Validity::days(now, days));
    match path_length {
        Some(length) => builder.path_length(length),
        None => builder,
    }
}

/// What the authority is wanted for: a path length of 0 only matters for one of them.
#[derive(PartialEq, Eq)]
enum Signs {
    Authorities,
    Leaves,
}

fn load(signer: &Signer, signs: Signs, now: OffsetDateTime) -> Result<Authority> {
    let stem = stem_of(&signer.ca);
    let authority = Authority::read(&stem).with_context(|| format!("authority {}", stem.display()))?;
    for problem in authority.problems(now) {
        // It may be wanted so for a test; a person should know all the same.
        if problem != AuthorityProblem::NoAuthorityBelow || signs == Signs::Authorities {
            eprintln!("warning: what {} signs will be refused: {problem}", stem.display());
        }
    }
    Ok(authority)
}

/// Completion in a shell ends at the file, so `pki/root.pem` and `pki/root.key` are taken for `pki/root`.
fn stem_of(path: &Path) -> PathBuf {
    match path.extension() {
        Some(extension) if extension == "pem" || extension == "key" => path.with_extension(""),
        _ => path.to_owned(),
    }
}

fn write_authority(authority: &Authority, place: &Place, stem: &str) -> Result<()> {
    report(&write(place, |dir| authority.replace(dir, stem), |dir| authority.write(dir, stem))?);
    Ok(())
}

fn write_identity(identity: &Identity, place: &Place, stem: &str) -> Result<()> {
    report(&write(place, |dir| identity.replace(dir, stem), |dir| identity.write(dir, stem))?);
    Ok(())
}

fn write(
    place: &Place,
    replace: impl FnOnce(&Path) -> Result<WrittenPair, FileError>,
    create: impl FnOnce(&Path) -> Result<WrittenPair, FileError>,
) -> Result<WrittenPair> {
    if place.force {
        return Ok(replace(&place.out)?);
    }
    create(&place.out).map_err(|error| {
        let advice = match &error {
            FileError::Exists(_) => Some("choose another --out or --stem, or replace it with --force"),
            FileError::Stem(_) => Some("give the files a name with --stem"),
            _ => None,
        };
        match advice {
            Some(advice) => anyhow::anyhow!("{error}; {advice}"),
            None => error.into(),
        }
    })
}

fn report(pair: &WrittenPair) {
    println!("{} (key: {})", pair.certificate.display(), pair.key.display());
}
