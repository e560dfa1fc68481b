//! A gateway as a process of its own: `stagedoor serve`, to be stopped, killed and started again. Several of them may
//! share a folder, and with it the operator's secret.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::wire::{Answer, RawClient};
use crate::flows_process::{Ports, Server, eventually, feed};

/// One gateway, running or not.
pub struct Node {
    folder: PathBuf,
    name: String,
    ports: Ports,
    process: Mutex<Option<Server>>,
    environment: Mutex<Vec<(String, String)>>,
    /// How many files it may open; `None`: as many as this process.
    files: Option<u32>,
}

impl Node {
    /// Not started yet. `PUBLIC` and `ADMIN` in `config` become its ports.
    pub fn new(folder: &Path, name: &str, config: &str) -> Self {
        Self::on(Ports::lease(2), folder, name, config)
    }

    /// The same on ports that were chosen before.
    pub fn on(ports: Ports, folder: &Path, name: &str, config: &str) -> Self {
        let text = config
            .replace("PUBLIC", &ports.address(0).port().to_string())
            .replace("ADMIN", &ports.address(1).port().to_string());
        let node = Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            ports,
            process: Mutex::default(),
            environment: Mutex::default(),
            files: None,
        };
        std::fs::write(node.file("yaml"), text).expect("written");
        node
    }

    /// It may open so many files and no more (`ulimit -n`).
    pub fn with_files(mut self, files: u32) -> Self {
        self.files = Some(files);
        self
    }

    fn process(&self) -> MutexGuard<'_, Option<Server>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file beside its configuration, called after it.
    pub fn file(&self, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", self.name))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where people and programs connect.
    pub fn public(&self) -> SocketAddr {
        self.ports.address(0)
    }

    /// Where the operator connects.
    pub fn admin(&self) -> SocketAddr {
        self.ports.address(1)
    }

    fn command(&self, args: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_stagedoor");
        let mut command = Command::new(if self.files.is_some() { "sh" } else { program });
        if let Some(files) = self.files {
            command.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\""), program]);
        }
        command.args(args).arg("--config").arg(self.file("yaml")).current_dir(&self.folder);
        command.env_remove("RUST_LOG").env_remove("STAGEDOOR_CONFIG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs another command of the program with this configuration, to its end.
    pub fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = self.command(args).spawn().expect("it runs");
        feed(&mut child, input);
        child.wait_with_output().expect("it ends")
    }

    /// Starts `serve` without waiting; its log goes on where it ended.
    pub fn launch(&self) {
        *self.process() = Some(self.spawn(&["serve"]));
    }

    fn spawn(&self, args: &[&str]) -> Server {
        let log = OpenOptions::new().create(true).append(true).open(self.file("log")).expect("a log");
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.envs(self.environment.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        Server(command.spawn().expect("it runs"))
    }

    /// From its next start on it sees these variables.
    pub fn set_environment(&self, variables: Vec<(String, String)>) {
        *self.environment.lock().unwrap_or_else(PoisonError::into_inner) = variables;
    }

    /// Starts a second process that takes over from the first; that one, which ends by itself.
    pub fn upgrade(&self) -> Server {
        let ready = |log: &str| log.matches("gateway is ready").count();
        let before = ready(&self.log());
        let next = self.spawn(&["serve", "--upgrade"]);
        let former = self.process().replace(next).expect("it runs");
        eventually("the next process has taken over", || {
            assert!(self.is_running(), "the next process has stopped: {}", self.log());
            (ready(&self.log()) > before).then_some(())
        });
        former
    }

    /// Starts `serve --upgrade` where nobody runs, and waits until it answers.
    pub fn start_anew(&self) {
        *self.process() = Some(self.spawn(&["serve", "--upgrade"]));
        self.await_start();
    }

    /// Starts `serve` and waits until it answers.
    pub fn start(&self) {
        self.launch();
        self.await_start();
    }

    /// Waits until what was launched answers.
    pub fn await_start(&self) {
        eventually("the gateway answers", || {
            assert!(self.is_running(), "{} has stopped: {}", self.name, self.log());
            self.answers().then_some(())
        });
    }

    fn answers(&self) -> bool {
        Self::try_get(self.public(), "/auth/.well-known/jwks.json").is_some_and(|a| a.status == 200)
    }

    /// Whether the process is there (it may hang all the same).
    pub fn is_running(&self) -> bool {
        self.process().as_mut().is_some_and(|p| p.0.try_wait().expect("a child").is_none())
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        let id = self.process().as_ref().expect("it runs").0.id();
        std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
    }

    fn proc(&self, file: &str) -> String {
        let id = self.process().as_ref().expect("it runs").0.id();
        std::fs::read_to_string(format!("/proc/{id}/{file}")).expect("Linux")
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> u64 {
        let pages = self.proc("statm").split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
        pages.expect("a number") * 4096
    }

    /// Time on processors so far, in hundredths of a second.
    pub fn cpu(&self) -> u64 {
        let stat = self.proc("stat");
        let after_name = stat.rsplit(')').next().expect("a name in brackets");
        let number = |n: usize| after_name.split_whitespace().nth(n).and_then(|n| n.parse::<u64>().ok());
        number(11).expect("user") + number(12).expect("system")
    }

    /// Sends a signal such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        self.process().as_ref().expect("it runs").signal(name);
    }

    /// `kill -9`, and gone.
    pub fn kill(&self) {
        self.process().take().expect("it runs").kill();
    }

    /// Waits for its end; the exit code.
    pub fn exit_code(&self) -> Option<i32> {
        self.process().take().expect("it runs").exit_code()
    }

    /// What it has logged in all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// What the operators' listener says about a path; `None` when there is no answer.
    pub fn ask_admin(&self, path: &str) -> Option<Answer> {
        Self::try_get(self.admin(), path)
    }

    fn try_get(to: SocketAddr, path: &str) -> Option<Answer> {
        let mut client = RawClient::try_connect(to).ok()?;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n"));
        client.answer().ok()
    }

    /// Whether it takes traffic for the applications.
    pub fn is_ready(&self) -> bool {
        self.ask_admin("/readyz").is_some_and(|a| a.status == 200)
    }

    /// Whether it can sign people in.
    pub fn accounts_are_ready(&self) -> bool {
        self.ask_admin("/readyz/accounts").is_some_and(|a| a.status == 200)
    }

    /// The sum of a metric over the labels that contain `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.ask_admin("/metrics").expect("metrics").text();
        let lines = text.lines().filter(|l| l.starts_with(name) && l.contains(label));
        lines.map(|l| l.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok()).expect("a number")).sum()
    }

    /// INV-5: it lives, and no panic has happened in any of its lives. INV-4: its log holds none of the secrets.
    pub fn assert_sound(&self, secrets: &[(&str, String)]) {
        assert!(self.is_running(), "INV-5: {} has stopped: {}", self.name, self.log());
        assert!(self.answers(), "INV-5: {} does not answer", self.name);
        assert_sound_log(&self.name, &self.log(), secrets);
        assert!(self.metric("stagedoor_panics_total", "") < 0.5, "INV-5: a panic in {}", self.name);
    }
}

/// What no log may say, whatever became of its process.
pub fn assert_sound_log(name: &str, log: &str, secrets: &[(&str, String)]) {
    assert!(!log.contains("panicked at"), "INV-5: {name}: {log}");
    for (what, secret) in secrets {
        assert!(secret.len() >= 6, "too short to look for: {what}");
        assert!(!log.contains(secret.as_str()), "INV-4: {what} stands in the log of {name}");
    }
}
