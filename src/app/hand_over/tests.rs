//! Both sides in one process.

use super::*;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::proxy::Drain;

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

struct Stage {
    folder: tempfile::TempDir,
    public: TcpListener,
    held: Held,
    drain: Arc<Drain>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        let stage = Self { folder, public: listener(), held: Held::default(), drain: Arc::default() };
        stage.held.keep(Door::Public, &stage.public).expect("kept");
        stage.held.keep(Door::Admin, &listener()).expect("kept");
        stage
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("upgrade")
    }

    fn offer(&self) -> Result<(), HandOverError> {
        offer(&self.socket(), self.held.clone(), self.drain.clone())
    }
}

#[test]
fn case_5_14_the_same_socket_comes_out_on_the_other_side() {
    let stage = Stage::new();
    stage.offer().expect("offered");
    let mode = stage.socket().metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut taken = Taken::ask(&stage.socket()).expect("asked");
    let address = stage.public.local_addr().expect("an address");
    assert!(taken.listener(Door::Tls, address).is_none(), "there is none");
    assert!(taken.listener(Door::Public, listener().local_addr().expect("one")).is_none(), "another address");
    let public = taken.listener(Door::Public, address).expect("handed over");
    let _client = std::net::TcpStream::connect(address).expect("connected");
    public.accept().expect("the connection is here");
    assert!(!stage.drain.was_handed_over(), "not before it is ready");
    taken.finish().expect("taken over");
    // The other side has said that it heard, and tells its own process a moment later.
    let mut looks = 0..2000;
    while !stage.drain.was_handed_over() {
        assert!(looks.next().is_some(), "nobody was told");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn case_5_14_who_gives_up_before_the_end_changes_nothing() {
    let stage = Stage::new();
    stage.offer().expect("offered");
    for _ in 0..3 {
        drop(Taken::ask(&stage.socket()).expect("asked"));
    }
    let mut stranger = UnixStream::connect(stage.socket()).expect("connected");
    stranger.write_all(b"GET / HTTP/1.1\r\n").expect("written");
    assert_eq!(hear(&stranger).expect("an answer"), "this process is of another version");
    assert!(!stage.drain.was_handed_over());
    Taken::ask(&stage.socket()).expect("asked").finish().expect("taken over");
}

#[test]
fn case_5_14_a_process_that_stops_hands_nothing_over() {
    let stage = Stage::new();
    stage.offer().expect("offered");
    stage.drain.leave();
    let refused = Taken::ask(&stage.socket()).err().expect("refused").to_string();
    assert!(refused.contains("this process is stopping"), "{refused}");
}

#[test]
fn case_5_14_a_folder_that_others_may_enter_is_refused_by_both() {
    let stage = Stage::new();
    stage.offer().expect("offered");
    std::fs::set_permissions(stage.folder.path(), std::fs::Permissions::from_mode(0o750)).expect("ours");
    assert!(matches!(stage.offer(), Err(HandOverError::Open(_))));
    assert!(matches!(Taken::ask(&stage.socket()), Err(HandOverError::Open(_))));
}

#[test]
fn case_5_14_where_nobody_listens_the_error_says_so() {
    let stage = Stage::new();
    let nobody = Taken::ask(&stage.socket()).err().expect("nobody").to_string();
    assert!(nobody.contains("no process hands over at"), "{nobody}");
    drop(std::os::unix::net::UnixListener::bind(stage.socket()).expect("bound"));
    assert!(matches!(Taken::ask(&stage.socket()), Err(HandOverError::Nobody(..))), "a file that was left");
    stage.offer().expect("replaced");
    Taken::ask(&stage.socket()).expect("asked");
}

/// The old process, as far as `until` goes.
fn old_process(stage: &Stage, last_word: &'static [u8]) -> std::thread::JoinHandle<()> {
    let listener = std::os::unix::net::UnixListener::bind(stage.socket()).expect("bound");
    let public = stage.public.try_clone().expect("a second handle");
    std::thread::spawn(move || {
        let (mut line, _) = listener.accept().expect("asked");
        assert_eq!(hear(&line).expect("a word"), HELLO);
        passing::send(&line, &[(Door::Public, public)]).expect("sent");
        assert_eq!(hear(&line).expect("a word"), READY);
        line.write_all(last_word).expect("said");
    })
}

#[test]
fn case_5_14_one_that_dies_at_the_last_word_is_replaced_and_one_that_goes_on_is_not() {
    for (last_word, taken_over) in [(&b""[..], true), (b"this process goes on\n", false)] {
        let stage = Stage::new();
        let old = old_process(&stage, last_word);
        let taken = Taken::ask(&stage.socket()).expect("asked");
        assert_eq!(taken.finish().is_ok(), taken_over);
        old.join().expect("the talk went so");
    }
}

/// What the other side has not read makes the end of its line a reset.
#[test]
fn case_5_14_one_that_dies_before_it_reads_the_last_word_is_replaced() {
    let stage = Stage::new();
    let socket = std::os::unix::net::UnixListener::bind(stage.socket()).expect("bound");
    let listeners = vec![(Door::Public, listener())];
    let old = std::thread::spawn(move || {
        let (line, _) = socket.accept().expect("asked");
        assert_eq!(hear(&line).expect("a word"), HELLO);
        passing::send(&line, &listeners).expect("sent");
        // Until it is there, and no further.
        rustix::net::recv(&line, &mut [0_u8; 1], rustix::net::RecvFlags::PEEK).expect("a byte");
    });
    let taken = Taken::ask(&stage.socket()).expect("asked");
    assert!(taken.finish().is_ok(), "nobody else serves");
    old.join().expect("the talk went so");
}
