//! One row of the table: a fault under load, from the warm-up to the moment when all is well again.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::stage::Stage;
use crate::flows_process::eventually;
use crate::support::{Class, Load, Node, Report, Upstream};

/// So many more files than before may be open.
const ROOM: usize = 60;

/// A fault that is being measured.
pub struct Row {
    name: &'static str,
    pub load: Load,
    injected: Duration,
    healed: Option<Duration>,
    may_reroute: bool,
    more: Map<String, Value>,
    /// What each gateway had open before, and what all of them had refused.
    open: Vec<usize>,
    refused: usize,
}

impl Row {
    /// The load has run for a while, all was well, and now it fails.
    pub fn inject(name: &'static str, stage: &Stage, fault: impl FnOnce()) -> Self {
        let refused = lines_about_refusals(stage);
        let load = stage.load();
        load.run_for(super::WARM);
        let before = load.report();
        assert!(before.noticed_after(Duration::ZERO).is_none(), "before the fault: {:?}", before.wrong());
        let open = stage.nodes.iter().map(Node::open_files).collect();
        let injected = load.now();
        fault();
        Self { name, load, injected, healed: None, may_reroute: false, more: Map::new(), open, refused }
    }

    /// A gateway itself is what fails: people are sent to the other.
    pub fn may_reroute(mut self) -> Self {
        self.may_reroute = true;
        self
    }

    /// How long it has been failing.
    pub fn lasted(&self) -> Duration {
        self.load.now().saturating_sub(self.injected)
    }

    /// How long it has been mended.
    pub fn healed_for(&self) -> Duration {
        self.load.now().saturating_sub(self.healed.expect("healed"))
    }

    /// One more time for the line.
    pub fn also(&mut self, name: &str, time: Duration) {
        self.note(name, json!(time.as_millis()));
    }

    /// One more figure for the line.
    pub fn note(&mut self, name: &str, figure: Value) {
        self.more.insert(name.to_owned(), figure);
    }

    /// What was wrong is mended.
    pub fn heal(&mut self, mend: impl FnOnce()) {
        mend();
        self.healed = Some(self.load.now());
    }

    /// Waits until each class has had a good answer after its last bad one.
    pub fn await_well(&self) {
        let healed = self.healed.expect("healed");
        eventually("all is well again", || {
            let report = self.load.report();
            report.is_well_since(healed + report.well_after(healed), 1).then_some(())
        });
    }

    /// The load ends; asserts what must be so after any fault, and prints the line.
    pub fn finish(self, stage: &mut Stage) -> Report {
        let healed = self.healed.expect("healed");
        self.await_well();
        let (report, people) = self.load.finish();
        stage.now_hold(people);
        assert_eq!(
            report.wrong(),
            Vec::<String>::new(),
            "{}: neither good nor a well-formed later",
            self.name
        );
        assert!(self.may_reroute || report.rerouted() == 0, "{}: a gateway did not answer", self.name);
        let violations = violations(&report, &stage.upstream);
        print(self.name, &report, (self.injected, healed), violations.len(), self.more);
        assert_eq!(violations, Vec::<String>::new(), "{}", self.name);
        let secrets = stage.secrets();
        for (node, before) in stage.nodes.iter().zip(&self.open) {
            node.assert_sound(&secrets);
            // What a pool keeps open is no leak; one for each request would be.
            let room = before + ROOM;
            eventually("INV-5: files are closed again", || (node.open_files() <= room).then_some(()));
        }
        if !self.may_reroute {
            let wanted = self.refused + report.refused;
            eventually("INV-7: each refusal is one line", || {
                (lines_about_refusals(stage) == wanted).then_some(())
            });
        }
        stage.upstream.assert_readings_agree(false);
        let ended = stage.database().count("sessions WHERE end_reason = 'reuse'");
        assert_eq!(ended, 0, "{}: a family of refresh tokens was ended", self.name);
        report
    }
}

/// The lines in all logs about requests that must not get through.
fn lines_about_refusals(stage: &Stage) -> usize {
    let about = |line: &&str| line.contains("/probe/") && line.contains("\"reason\"");
    stage.nodes.iter().map(|node| node.log().lines().filter(about).count()).sum()
}

/// INV-6: what reached the application without a token that was valid; and what the load has seen.
pub fn violations(report: &Report, upstream: &Upstream) -> Vec<String> {
    let reached = upstream.since(0).into_iter().filter(|r| r.path().contains("/probe/"));
    let reached = reached.map(|r| format!("INV-6: {} reached the application", r.target));
    report.violations.iter().cloned().chain(reached).collect()
}

/// The line of the table; all times are those of the load.
pub fn print(
    name: &str,
    report: &Report,
    (injected, healed): (Duration, Duration),
    violations: usize,
    more: Map<String, Value>,
) {
    let tenth = |class| (report.good_percent(class) * 10.0).round() / 10.0;
    let within = |class, percent| report.within(class, percent).as_millis();
    let mut line = json!({
        "fault": name,
        "lasted_ms": healed.saturating_sub(injected).as_millis(),
        "detect_ms": report.noticed_after(injected).map(|t| t.as_millis()),
        "recover_ms": report.well_after(healed).as_millis(),
        "honest_ok_pct": tenth(Class::Proxied),
        "sensitive_ok_pct": tenth(Class::Sensitive),
        "refresh_ok_pct": tenth(Class::Refresh),
        "sign_in_ok_pct": tenth(Class::SignIn),
        "p50_ms": within(Class::Proxied, 50),
        "p99_ms": within(Class::Proxied, 99),
        "sign_in_p99_ms": within(Class::SignIn, 99),
        "requests": report.events.len(),
        "violations": violations,
    });
    line.as_object_mut().expect("a table").extend(more);
    println!("{line}");
}
