"""What journey.py checks with: steps and their report, the mailbox, the shape of answers."""

import contextlib
import json
import re
import time
import traceback

import requests

from client import Problem

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# In the alphabet of Crockford's base 32.
RECOVERY_CODE = re.compile(r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}")
BASE32_SEED = re.compile(r"[A-Z2-7]{32}")
# A mailed code, as a pattern for `Mailbox.wait`.
CODE = r"(?<![\w/-])\d{6}(?![\w/-])"
# Never in any answer, whoever asks.
INNER = re.compile(r'\$argon2|"(password_hash|token_hash|secret_hash|seed|sealed)"\s*:')


class Failed(Exception):
    """An answer is not what the contract says."""


class Report:
    """Steps, one line each. A step that fails does not stop the next one."""

    def __init__(self, quiet=False, trace=False):
        self.quiet, self.trace, self.steps, self.prefix = quiet, trace, [], ""

    def line(self, name, outcome, message=""):
        self.steps.append({"name": f"{self.prefix}: {name}", "outcome": outcome, "message": message})
        if not self.quiet:
            mark = {"ok": "ok  ", "failed": "FAIL", "skipped": "skip"}[outcome]
            print(f"{mark} {self.prefix}: {name}{' -- ' + message if message else ''}", flush=True)

    @contextlib.contextmanager
    def step(self, name):
        try:
            yield
        except Exception as error:  # whatever it is, it belongs to this step
            self.fault(name, error)
        else:
            self.line(name, "ok")

    @contextlib.contextmanager
    def setup(self):
        """What goes wrong between the steps of a flow; silent otherwise."""
        try:
            yield
        except Exception as error:  # likewise
            self.fault("the rest of the flow", error)

    def fault(self, name, error):
        if self.trace:
            traceback.print_exception(error)
        if isinstance(error, (NameError, AttributeError)):
            message = f"an earlier step did not give what this one needs: {error}"
        elif isinstance(error, Failed):
            message = str(error)
        else:
            message = f"{type(error).__name__}: {error}"
        self.line(name, "failed", " ".join(message.split())[:1500])

    def failed(self):
        return [step for step in self.steps if step["outcome"] == "failed"]

    def finish(self):
        """The exit code."""
        failed = self.failed()
        if self.quiet:
            print(json.dumps({"steps": self.steps, "total": len(self.steps), "failed": len(failed)}, indent=1))
        else:
            print(f"{len(self.steps)} steps, {len(failed)} failed")
        return 1 if failed else 0


class Watch:
    """Sees every answer: notes which operations were called, and looks for secrets that do not belong there."""

    def __init__(self):
        self.called = {}  # (method, pattern) -> set of status
        self.secrets = {}  # value -> what it is
        self.leaks = []
        self.types = {}  # type of a problem -> set of status

    def secret(self, what, value):
        if value:
            self.secrets[str(value)] = what
        return value

    def answer(self, method, path, response):
        self.called.setdefault((method, path), set()).add(response.status_code)
        text = response.text
        where = f"{method} {path} ({response.status_code})"
        if INNER.search(text) and path != "/openapi.json":
            self.leaks.append(f"{where}: {INNER.search(text)[0]}")
        # The predecessor of a refresh token rightly gets the same successor.
        if path != "/token/refresh/":
            said = text + " ".join(response.headers.values())
            # Nor is it a leak when a page or problem repeats the address it was asked under.
            asked = response.request.path_url
            self.leaks += [
                f"{where}: {what}" for value, what in self.secrets.items() if value in said and value not in asked
            ]
        if response.status_code < 400:
            with contextlib.suppress(ValueError):
                body = response.json()
                if isinstance(body, dict):
                    for name in ("access", "refresh", "challenge"):
                        if isinstance(body.get(name), str):
                            self.secret(f"{name} token", body[name])
        else:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self.types.setdefault(response.json()["type"], set()).add(response.status_code)


class Mail:
    """One kept mail. Links carry their secret in the path, codes are six digits outside of links."""

    def __init__(self, raw):
        self.raw = raw
        lower = {name.lower(): value for name, value in raw.items()}
        self.to = json.dumps(lower.get("to", "")).lower()
        self.subject = str(lower.get("subject", ""))
        text = lower.get("text") or lower.get("body") or " ".join(str(v) for v in raw.values())
        self.text = str(text)

    def link(self, flow):
        """(uid, token) of the link for a flow."""
        found = re.search(rf"(https?://[^\s\"'<>]+?)/{flow}/([^/\s\"'<>]+)/([^/\s\"'<>?]+)/?", self.text)
        expect(found, f"the mail {self.subject!r} has no link for {flow}")
        return found[2], found[3]

    def tokens(self):
        """The last parts of the links, where they are no ids."""
        links = re.findall(r"https?://[^\s\"'<>]+", self.text)
        last = [link.rstrip("/.").rsplit("/", 1)[-1] for link in links]
        return [part for part in last if len(part) >= 16 and not UUID.fullmatch(part)]

    def code(self):
        bare = re.sub(r"https?://\S+", " ", self.text)
        found = re.findall(CODE, bare)
        expect(len(set(found)) == 1, f"the mail {self.subject!r} has {len(set(found))} codes of six digits, not one")
        return found[0]


class Mailbox:
    """The kept mails of the operators' listener."""

    def __init__(self, url, watch):
        self.url, self.watch = url, watch
        self.http = requests.Session()
        self.http.trust_env = False

    def all(self):
        answer = self.http.get(self.url, timeout=30)
        answer.raise_for_status()
        body = answer.json()
        if isinstance(body, dict):
            body = next(value for value in body.values() if isinstance(value, list))
        return [Mail(raw) for raw in body]

    def mark(self):
        """Which mails are there now; what comes later is new."""
        return {json.dumps(mail.raw, sort_keys=True) for mail in self.all()}

    def new(self, email, mark):
        return [
            mail
            for mail in self.all()
            if email.lower() in mail.to and json.dumps(mail.raw, sort_keys=True) not in mark
        ]

    def wait(self, email, mark, containing="", seconds=15):
        """The one mail to `email` since `mark` whose text or subject matches."""
        end = time.monotonic() + seconds
        while True:
            mails = self.new(email, mark)
            for mail in mails:
                if re.search(containing, mail.subject + "\n" + mail.text, re.IGNORECASE):
                    for token in mail.tokens():
                        self.watch.secret("token of a mailed link", token)
                    return mail
            if time.monotonic() > end:
                subjects = [mail.subject for mail in mails]
                raise Failed(f"no mail with {containing!r} to {email} within {seconds} s; new ones: {subjects}")
            time.sleep(0.1)


def expect(condition, message):
    if not condition:
        raise Failed(message)


def equal(found, wanted, what):
    expect(found == wanted, f"{what} is {found!r}, not {wanted!r}")


class Maybe:
    """A field that may be missing or null."""

    def __init__(self, kind):
        self.kind = kind


def shape(value, kind, where="answer"):
    """Holds a value against a kind: a type, a pattern, [kind of each], {field: kind}, Maybe(kind), or any of (…).

    More fields than named may be there.
    """
    if isinstance(kind, Maybe):
        if value is not None:
            shape(value, kind.kind, where)
    elif isinstance(kind, dict):
        expect(isinstance(value, dict), f"{where} is no object but {value!r:.80}")
        for name, inner in kind.items():
            if name not in value:
                expect(isinstance(inner, Maybe), f"{where} has no {name}; it has {', '.join(value) or 'nothing'}")
            else:
                shape(value[name], inner, f"{where}.{name}")
    elif isinstance(kind, list):
        expect(isinstance(value, list), f"{where} is no list but {value!r:.80}")
        for index, item in enumerate(value):
            shape(item, kind[0], f"{where}[{index}]")
    elif isinstance(kind, re.Pattern):
        expect(isinstance(value, str) and kind.fullmatch(value), f"{where} is {value!r:.80}, not like {kind.pattern}")
    elif kind is int:
        expect(type(value) is int, f"{where} is {value!r:.80}, not a whole number")
    else:
        expect(isinstance(value, kind), f"{where} is {value!r:.80}, not {kind.__name__}")
    return value


def refused(status, call, /, *args, kind=None, field=None, **more):
    """Holds a refusal against the contract and returns it.

    `status` is one or several, `kind` the name of the problem, `field` one that `errors` names.
    """
    allowed = status if isinstance(status, tuple) else (status,)
    try:
        answer = call(*args, **more)
    except Problem as problem:
        expect(problem.status in allowed, f"answered {problem}, not {' or '.join(map(str, allowed))}")
        body = problem.body
        shape(body, {"type": str, "title": str, "status": int, "detail": Maybe(str), "errors": Maybe(dict)}, "problem")
        equal(body["status"], problem.status, "status in the problem")
        expect(problem.type not in ("", "about:blank"), "the problem has no type of its own")
        shape(list(body.get("errors", {}).values()), [[str]], "errors")
        expect(all(body.get("errors", {"": [1]}).values()), "a field of errors has no message")
        if kind:
            equal(problem.name, kind, "the name of the problem")
        if field:
            expect(field in problem.errors, f"errors do not name {field}: {problem.errors}")
        if problem.status == 429:
            expect((problem.retry_after or 0) >= 1, "429 without Retry-After in seconds")
        return problem
    said = ", ".join(answer) if isinstance(answer, dict) else repr(answer)[:80]
    raise Failed(f"not refused, but answered ({said})")


def raw_problem(status, response):
    """The same for an answer that was fetched without the client's help."""
    allowed = status if isinstance(status, tuple) else (status,)
    expect(response.status_code in allowed, f"status is {response.status_code}, not {' or '.join(map(str, allowed))}")
    kind = response.headers.get("Content-Type", "").split(";")[0]
    equal(kind, "application/problem+json", "content type")
    return shape(response.json(), {"type": str, "title": str, "status": int}, "problem")
