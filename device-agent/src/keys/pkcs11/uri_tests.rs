use super::*;

fn parse(text: &str) -> Result<Uri, UriError> {
    Uri::parse(text.strip_prefix("pkcs11:").unwrap(), Path::new("/etc/firsthop"))
}

#[test]
fn every_attribute_narrows_the_choice() {
    let uri = parse(
        "pkcs11:token=The%20gateway;manufacturer=Snake%20Oil;serial=DECC0401648;model=X1;slot-id=3;object=device;\
         id=%69%95%00%ff;type=private?module-path=/usr/lib/module.so&pin-source=/run/pin",
    )
    .unwrap();
    let token = WantedToken {
        label: Some("The gateway".into()),
        manufacturer: Some("Snake Oil".into()),
        serial: Some("DECC0401648".into()),
        model: Some("X1".into()),
        slot: Some(3),
    };
    assert_eq!(uri.token, token);
    assert_eq!(uri.key, WantedKey { label: Some("device".into()), id: Some(vec![0x69, 0x95, 0x00, 0xff]) });
    assert_eq!(uri.module, Path::new("/usr/lib/module.so"));
    assert_eq!(uri.pin.as_deref(), Some(Path::new("/run/pin")));
}

#[test]
fn what_is_not_said_is_open() {
    let uri = parse("pkcs11:?module-path=p11.so").unwrap();
    assert_eq!((uri.token, uri.key), (WantedToken::default(), WantedKey::default()));
    assert_eq!(uri.module, Path::new("/etc/firsthop/p11.so"));
    assert_eq!(uri.pin, None);
}

#[test]
fn a_pin_file_may_be_a_path_or_a_uri_of_this_machine() {
    for (source, path) in [
        ("pin", "/etc/firsthop/pin"),
        ("/run/pin", "/run/pin"),
        ("file:/run/pin", "/run/pin"),
        ("file:///run/pin", "/run/pin"),
        ("file://localhost/run/pin", "/run/pin"),
        ("%2Frun%2Fthe%20pin", "/run/the pin"),
    ] {
        let uri = parse(&format!("pkcs11:token=gw?module-path=m.so&pin-source={source}")).unwrap();
        assert_eq!(uri.pin.as_deref(), Some(Path::new(path)), "{source}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let is = |text: &str, error: UriError| assert_eq!(parse(text).unwrap_err(), error, "{text}");
    is("pkcs11:token=gw", UriError::NoModule);
    is("pkcs11:token", UriError::NoPair);
    is("pkcs11:token=gw;?module-path=m.so", UriError::NoPair);
    is("pkcs11:to ken=gw?module-path=m.so", UriError::NoPair);
    is("pkcs11:token=a;token=b?module-path=m.so", UriError::Twice("token".into()));
    is("pkcs11:token=?module-path=m.so", UriError::Empty("token".into()));
    is("pkcs11:token=the gateway?module-path=m.so", UriError::Encoding("token".into()));
    for bad in ["%", "%4", "%4g", "%g4", "%-1"] {
        is(&format!("pkcs11:token={bad}?module-path=m.so"), UriError::Encoding("token".into()));
    }
    is("pkcs11:token=%ff?module-path=m.so", UriError::NotText("token"));
    is("pkcs11:slot-id=one?module-path=m.so", UriError::NotANumber("slot-id"));
    is("pkcs11:type=cert?module-path=m.so", UriError::Type);
    is("pkcs11:tokn=gw?module-path=m.so", UriError::Unknown("tokn".into()));
    is("pkcs11:token=gw?module-path=m.so&x-muppet=cookie", UriError::Unknown("x-muppet".into()));
    is("pkcs11:token=gw?module-path=m.so&pin-source=|cat%20pin", UriError::PinCommand);
    is("pkcs11:token=gw?module-path=m.so&pin-source=file://elsewhere/pin", UriError::PinElsewhere);
    is(&format!("pkcs11:token={}?module-path=m.so", "g".repeat(5000)), UriError::Long);
}

#[test]
fn a_pin_in_the_uri_is_refused_and_not_repeated() {
    for text in ["pkcs11:token=gw?module-path=m.so&pin-value=4711", "pkcs11:token=gw?module-path=m.so&4711"] {
        let error = parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("4711"), "{error}");
    }
}

#[test]
fn a_uri_is_shown_without_its_query() {
    let uri = parse("pkcs11:token=gw;object=device?module-path=m.so&pin-source=pin").unwrap();
    assert_eq!(uri.to_string(), "pkcs11:token=gw;object=device");
}
