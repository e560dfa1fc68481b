//! The TLS listener as OpenSSL's own client sees it (Z-14): only what is safe today is spoken, and nothing that others
//! have had to take back. testssl.sh finds the same and more (docs/conformance.md).

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::flows_process::eventually;
use crate::support::get;
use crate::tls::Stage;

/// What `openssl s_client` says with these options, being told `input` once the handshake is over.
fn client(stage: &Stage, options: &[&str], input: &[u8]) -> String {
    let log = stage.site.path("client.log");
    let written = std::fs::File::create(&log).expect("a file");
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &stage.site.upstream().to_string()])
        .args(options)
        .current_dir(log.parent().expect("a folder"))
        .stdin(Stdio::piped())
        .stdout(written.try_clone().expect("a file"))
        .stderr(written)
        .spawn()
        .expect("openssl is installed; scripts/test sees to it");
    let said = || std::fs::read_to_string(&log).expect("a log");
    let mut ended = false;
    eventually("the handshake ends", || {
        ended = child.try_wait().expect("a child").is_some();
        // The last line it says of a handshake; refused ones end the program.
        (ended || said().contains("Verify return code")).then_some(())
    });
    if let Some(mut pipe) = child.stdin.take()
        && !ended
        && pipe.write_all(input).is_ok()
        && !input.is_empty()
    {
        eventually("the gateway closes", || child.try_wait().expect("a child"));
    }
    let _ = child.wait();
    said()
}

fn is_refused(said: &str) -> bool {
    said.contains("Cipher is (NONE)") && !said.contains("Cipher is TLS_") && !said.contains("Cipher is ECDHE")
}

#[test]
fn z_14_only_new_versions_and_suites_are_spoken() {
    let stage = Stage::new();
    for options in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        // Without forward secrecy, without authentication of what is encrypted, without encryption.
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:AES128-SHA256:@SECLEVEL=0"],
        &[
            "-tls1_2",
            "-cipher",
            "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES128-SHA:@SECLEVEL=0",
        ],
        &["-tls1_2", "-cipher", "eNULL:aNULL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "DHE:@SECLEVEL=0"],
    ] {
        let said = client(&stage, options, b"");
        assert!(is_refused(&said), "{options:?}: {said}");
    }
    for (options, suite) in [
        (&["-tls1_2"][..], "ECDHE-"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"], "AES128-GCM"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"], "CHACHA20"),
        (&["-tls1_3"], "TLS_AES_"),
    ] {
        let said = client(&stage, options, b"");
        assert!(!is_refused(&said) && said.contains(suite), "{options:?}: {said}");
    }
}

#[test]
fn z_14_no_renegotiation_no_compression_no_early_data() {
    let stage = Stage::new();
    // `R` has the client ask for a new handshake, and wait for it.
    let said = client(&stage, &["-tls1_2"], b"R\n");
    assert!(said.contains("RENEGOTIATING"), "{said}");
    let after = said.split("RENEGOTIATING").nth(1).unwrap_or_default();
    assert!(!after.contains("depth=") && !after.contains("Verify return code"), "a second handshake: {said}");
    for version in ["-tls1_2", "-tls1_3"] {
        let said = client(&stage, &[version, "-comp"], b"");
        assert!(said.contains("Compression: NONE"), "{said}");
    }
    // The session may be taken up again; what comes before the handshake is over may be replayed, and is not read.
    let request = get("/public/x", "Connection: close\r\n");
    let said = client(&stage, &["-tls1_3", "-ign_eof", "-sess_out", "session"], &request);
    assert!(said.contains("HTTP/1.1 "), "{said}");
    assert!(said.contains("Max Early Data: 0") && !said.contains("Early data was accepted"), "{said}");
    std::fs::write(stage.site.path("early"), &request).expect("a file");
    let said =
        client(&stage, &["-tls1_3", "-ign_eof", "-sess_in", "session", "-early_data", "early"], &request);
    assert!(said.contains("Early data was not sent") || said.contains("Early data was rejected"), "{said}");
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "the request that came after the handshake: {said}");
}

/// There is one certificate, and whoever asks for another name is shown it: a client that checks then goes away.
#[test]
fn z_14_an_unknown_name_gets_the_certificate_there_is() {
    let stage = Stage::new();
    let shown = |options: &[&str]| {
        let said = client(&stage, options, b"");
        let at = said.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{options:?}: {said}"));
        said[at..].split("-----END").next().unwrap_or_default().to_owned()
    };
    let usual = shown(&["-servername", "localhost"]);
    for options in [
        &["-servername", "nobody.invalid"][..],
        &["-servername", "admin.example.com"],
        &["-noservername"],
        &["-servername", "xn--nxasmq6b.invalid"],
    ] {
        assert_eq!(shown(options), usual, "{options:?}");
    }
    let said = client(
        &stage,
        &["-servername", "nobody.invalid", "-verify_hostname", "nobody.invalid", "-verify_return_error"],
        b"",
    );
    assert!(said.contains("verify error"), "{said}");
}
