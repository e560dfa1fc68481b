//! Configuration files that change under a running gateway (5.12), and what SIGHUP does.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::flows_process::{Server, Site, eventually};
use crate::support::RawClient;

const PUBLIC: &str = "  - { path: /public/**, allow: public }\n";

/// 502: the rules let it through, and there is no upstream. 403: no rule does.
fn public(site: &Site) -> u16 {
    site.client().get("/public/x").status
}

fn admin(site: &Site, method: &str, path: &str) -> (u16, String) {
    let mut client = RawClient::connect(site.ports.address(1));
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ));
    let answer = client.answer().expect("an answer");
    (answer.status, answer.text())
}

/// Whether the last reload was good.
fn is_good(site: &Site) -> bool {
    admin(site, "GET", "/metrics").1.contains("stagedoor_config_reload_success 1")
}

#[track_caller]
fn becomes(site: &Site, status: u16, good: bool) {
    eventually("the file is followed", || (public(site) == status && is_good(site) == good).then_some(()));
}

/// Puts a file in the place of another, as editors and deployments do.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(&next, path).unwrap();
}

#[test]
fn case_5_12_a_changed_file_takes_effect_and_a_broken_one_does_not() {
    let site = Site::new();
    let path = site.path("config.yaml");
    let open = std::fs::read_to_string(&path).unwrap();
    let closed = open.replace(PUBLIC, "");
    let server = site.serve();
    becomes(&site, 502, true);

    std::fs::write(&path, &closed).unwrap();
    becomes(&site, 403, true);
    let broken: [(&str, Vec<u8>); 6] = [
        ("half written", open.as_bytes()[..open.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("no text", vec![0xff, 0xfe, 0x00]),
        ("an unknown role", open.replace("role: admin", "role: nobody").into_bytes()),
        ("a wrong type", open.replace("threads: 1", "threads: many").into_bytes()),
        ("ten mebibytes", [open.as_bytes(), &vec![b'#'; 10 << 20]].concat()),
    ];
    for (what, text) in broken {
        std::fs::write(&path, text).unwrap();
        eventually(what, || (!is_good(&site)).then_some(()));
        assert_eq!(public(&site), 403, "{what}: the old rules stay");
        std::fs::write(&path, &closed).unwrap();
        becomes(&site, 403, true);
    }
    std::fs::remove_file(&path).unwrap();
    becomes(&site, 403, false);
    std::fs::write(&path, &closed).unwrap();
    becomes(&site, 403, true);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    becomes(&site, 403, false);
    std::fs::remove_dir(&path).unwrap();
    replace(&path, &open);
    becomes(&site, 502, true);

    // A deployment that swaps a link, as Kubernetes does.
    let (one, two) = (site.path("one.yaml"), site.path("two.yaml"));
    std::fs::write(&one, &open).unwrap();
    std::fs::write(&two, &closed).unwrap();
    let link = site.path("link");
    std::os::unix::fs::symlink(&two, &link).unwrap();
    std::fs::rename(&link, &path).unwrap();
    becomes(&site, 403, true);
    std::os::unix::fs::symlink(&one, &link).unwrap();
    std::fs::rename(&link, &path).unwrap();
    becomes(&site, 502, true);
    drop(server);
}

/// `serve` by somebody who may read only what the mode of a file says: root may read everything, unless it gives that up.
fn serve_as_anybody(site: &Site) -> Option<Server> {
    let user = Command::new("id").arg("-u").output().unwrap();
    let give_up = match user.stdout.trim_ascii() {
        b"0" => ["setpriv", "--bounding-set=-dac_override,-dac_read_search"].as_slice(),
        _ => &["env"],
    };
    let program = || {
        let mut command = Command::new(give_up[0]);
        command.args(&give_up[1..]);
        command
    };
    if !program().arg("true").status().is_ok_and(|done| done.success()) {
        eprintln!("skipped: root may read everything here, and cannot give that up");
        return None;
    }
    let mut command = program();
    command.args([env!("CARGO_BIN_EXE_stagedoor"), "serve"]).current_dir(site.path(""));
    command.env_remove("RUST_LOG").env_remove("STAGEDOOR_CONFIG");
    command.stdout(Stdio::null()).stderr(std::fs::File::create(site.path("log")).unwrap());
    Some(Server(command.spawn().unwrap()))
}

#[test]
fn case_5_12_a_file_that_may_not_be_read_changes_nothing() {
    let site = Site::new();
    let Some(server) = serve_as_anybody(&site) else { return };
    let path = site.path("config.yaml");
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    eventually("the gateway listens", || std::net::TcpStream::connect(site.public()).ok().map(drop));
    becomes(&site, 502, true);
    mode(0o000);
    becomes(&site, 502, false);
    eventually("the log says why", || {
        let said = std::fs::read_to_string(site.path("log")).unwrap();
        said.contains("ermission denied").then_some(())
    });
    mode(0o600);
    becomes(&site, 502, true);

    // Nobody starts on such a file.
    mode(0o000);
    drop(server);
    let refused = serve_as_anybody(&site).expect("as before");
    assert_eq!(refused.exit_code(), Some(2));
}

/// What is in force is what the file holds, also when somebody changes their mind faster than the file is looked at.
#[test]
fn case_5_12_a_change_that_is_taken_back_at_once_is_taken_back() {
    let site = Site::new();
    let path = site.path("config.yaml");
    let open = std::fs::read_to_string(&path).unwrap();
    let _server = site.serve();
    for _ in 0..3 {
        replace(&path, &open.replace(PUBLIC, ""));
        assert_eq!(admin(&site, "POST", "/reload").0, 200);
        assert_eq!(public(&site), 403);
        replace(&path, &open);
        becomes(&site, 502, true);
    }
}

#[test]
fn sighup_reloads_and_ends_nothing() {
    let site = Site::new();
    let server = site.serve();
    let reloads = || {
        let log = std::fs::read_to_string(site.path("log")).unwrap();
        log.matches("configuration reloaded").count()
    };
    assert_eq!(reloads(), 0);
    for n in 1..=3 {
        server.signal("HUP");
        eventually("it reloads", || (reloads() == n).then_some(()));
    }
    assert_eq!(public(&site), 502);
}

/// What cannot change without a restart is named, and does not hold up what can.
#[test]
fn what_waits_for_a_restart_is_said() {
    let site = Site::new();
    let path = site.path("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let _server = site.serve();
    replace(&path, &text.replace("threads: 1", "threads: 2").replace(PUBLIC, ""));
    becomes(&site, 403, true);
    let (status, said) = admin(&site, "POST", "/reload");
    assert_eq!(status, 200, "{said}");
    assert!(said.contains("wait for a restart: server"), "{said}");
}

#[test]
fn case_5_12_a_hundred_reloads_under_load_fail_nobody() {
    let site = Site::new();
    let path = site.path("config.yaml");
    let open = std::fs::read_to_string(&path).unwrap();
    let other = open.replace("/api/**", "/other/**").replace("/api/x", "/other/x");
    let broken = &open[..open.len() / 2];
    let _server = site.serve();
    let (done, asked, wrong) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Allowed by every version, and never allowed by any.
                    let fine = public(&site) == 502 && site.client().get("/admin/x").status == 401;
                    asked.fetch_add(2, Ordering::Relaxed);
                    wrong.fetch_add(usize::from(!fine), Ordering::Relaxed);
                }
            });
        }
        let enough = || asked.load(Ordering::Relaxed) > 100;
        for n in (0..).take_while(|n| *n < 100 || !enough()) {
            let (text, status) = [(&other[..], 200), (broken, 422), (&open[..], 200)][n % 3];
            replace(&path, text);
            let (answer, said) = admin(&site, "POST", "/reload");
            assert_eq!(answer >= 400, status >= 400, "{n}: {answer} {said}");
        }
        done.store(true, Ordering::Relaxed);
    });
    let asked = asked.into_inner();
    println!("{asked} requests during 100 reloads, {} wrong", wrong.load(Ordering::Relaxed));
    assert_eq!(wrong.into_inner(), 0);
}

/// A secret shows itself in no text, so it is the value that is compared.
#[test]
fn another_password_or_port_of_the_mail_server_waits_for_a_restart() {
    let mailed = "mail: { transport: file, dir: mails,";
    let by = |url: &str| format!("mail: {{ transport: smtp, url: \"{url}\",");
    let first = by("smtps://door:first-w0rd@localhost:2525");
    let site = Site::changed(mailed, &first);
    let path = site.path("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let _server = site.serve();
    for (url, waits) in [
        ("smtps://door:first-w0rd@localhost:2525", false),
        ("smtps://door:other-w0rd@localhost:2525", true),
        ("smtps://door:first-w0rd@localhost:2526", true),
    ] {
        replace(&path, &text.replace(&first, &by(url)));
        let (status, said) = admin(&site, "POST", "/reload");
        assert_eq!((status, said.contains("wait for a restart: mail")), (200, waits), "{url}: {said}");
        assert!(!said.contains("w0rd"), "{said}");
    }
}
