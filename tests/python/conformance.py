"""Sums up what the judges of scripts/conformance have written, and fails on what docs/conformance.md does not explain.

    conformance.py FOLDER PART...
"""

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# What is known and explained in docs/conformance.md, by the judges' own names.
LESS_SPECIFIC = "but got ProtocolError"
HTTPWG = {
    "sends connect without authority",
    "sends headers frame with mismatched host authority",
    "sends headers frame with leading space in field value",
    "sends headers frame with trailing tab in field value",
    "sends headers frame with pseudo header in trailer",
}
H2SPEC = {"Sends invalid connection preface"}
TESTSSL = {
    "engine_problem", "cipher_order", "cert_chain_of_trust", "cert_revocation", "DNS_CAArecord", "security_headers",
}

Line = tuple[str, str, bool]


def text(path: Path) -> str:
    """What a judge has said; nothing where it was not there."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def httpwg(folder: Path) -> Iterator[Line]:
    """One line for the run; a code that is less specific than it could be is explained as a whole."""
    said = text(folder / "httpwg.txt")
    passed = re.search(r"Passed (\d+)/(\d+)", said)
    if not passed:
        return
    failures = re.findall(r"Test failed: .* :: (.+)\n(?:\s*\n)*\s*0: (.*)", said)
    known = [name for name, why in failures if name in HTTPWG or LESS_SPECIFIC in why]
    fine = len(known) == len(failures) == int(passed[2]) - int(passed[1])
    unknown = [name for name, why in failures if name not in known]
    yield "httpwg", f"{passed[1]} of {passed[2]}, {len(known)} explained; others: {unknown}", fine


def h2spec(folder: Path) -> Iterator[Line]:
    """One line for each way it was run."""
    for way in ("h2c", "tls"):
        said = text(folder / f"h2spec-{way}.txt")
        counts = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", said)
        if counts:
            failed = set(re.findall(r"× \d+: (.+)", said.split("Failures:")[-1])) if int(counts[4]) else set()
            fine = failed <= H2SPEC and len(failed) == int(counts[4])
            yield f"h2spec {way}", f"{counts[2]} of {counts[1]}; failed: {sorted(failed)}", fine


def h2load(folder: Path) -> Iterator[Line]:
    """An ordinary client: all requests have to be answered."""
    for way in ("h2c", "tls"):
        said = text(folder / f"h2load-{way}.txt")
        counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
        rate = re.search(r"finished in .*", said)
        if counts:
            fine = int(counts[1]) > 0 and counts[2] == counts[3] == counts[4] == "0"
            yield f"h2load {way}", f"{counts[0]}; {rate[0] if rate else ''}", fine


def slow(folder: Path) -> Iterator[Line]:
    """How many stayed, for how long, and what the honest client saw."""
    for name in ("headers", "body", "read", "range"):
        rows = list(csv.DictReader(text(folder / f"slow-{name}.csv").splitlines()))
        honest = json.loads(text(folder / f"slow-{name}.honest") or "{}")
        if not rows or not honest:
            continue
        most = max(int(row["Connected"]) for row in rows)
        last = rows[-1]
        away = any(int(row["Service Available"]) == 0 for row in rows[1:])
        sizes = [int(size) for size in re.findall(r"VmRSS:\s+(\d+)", text(folder / f"slow-{name}.rss"))]
        said = (
            f"at most {most} connected, {last['Connected']} after {last['Seconds']} s, available: "
            f"{'not always' if away else 'always'}; honest: {honest['ok']} ok, {honest['failed']} failed, "
            f"p99 {honest['p99_ms']} ms; memory at most {max(sizes, default=0) // 1024} MiB"
        )
        yield f"slowhttptest {name}", said, honest["failed"] == 0 and honest["ok"] > 0 and not away


def tls(folder: Path) -> Iterator[Line]:
    """Findings of testssl.sh that are not explained, and early data."""
    said = text(folder / "testssl.json")
    if said:
        found = {row["id"]: row["severity"] for row in json.loads(said) if row["severity"] not in ("OK", "INFO")}
        unknown = {name: how for name, how in found.items() if name not in TESTSSL}
        yield "testssl.sh", f"explained: {sorted(set(found) & TESTSSL)}; others: {unknown}", not unknown
    said = text(folder / "sslscan.txt")
    if said:
        versions = re.findall(r"^((?:SSL|TLS)v[\d.]+)\s+enabled", said, re.MULTILINE)
        yield "sslscan", f"speaks {', '.join(versions)}", versions == ["TLSv1.2", "TLSv1.3"]
    said = text(folder / "early-data.txt")
    if said:
        yield "early data", "not taken", "Early data was accepted" not in said and "HTTP/1.1 200" in said


def main() -> int:
    folder, parts = Path(sys.argv[1]), set(sys.argv[2:])
    judges = {"http2": (httpwg, h2spec, h2load), "slow": (slow,), "tls": (tls,)}
    lines = [line for part in judges if part in parts for judge in judges[part] for line in judge(folder)]
    table = ["| judge | what it says | as docs/conformance.md has it |", "|---|---|---|"]
    table += [f"| {judge} | {said} | {'yes' if fine else 'NO'} |" for judge, said, fine in lines]
    (folder / "summary.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))
    return 0 if lines and all(fine for _, _, fine in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
