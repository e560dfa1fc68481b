"""What schemathesis needs to know beyond the description: who is asking, and what there is to ask about.

The fuzzer signs itself out, closes its account and turns on second factors, as it should. So before each case the token
is tried; when it is dead, the account signs in again; when that does not work any more, or wants a second factor, a new
account is made. Half of the cases with a valid form name something that exists: a person, a session, a device, a role
that waits, a mail.

What takes a mailed link or code, or a second factor, gets a real one a few times per operation (`STORIES`).

Environment: FUZZ_ORIGIN (scheme, host and port), FUZZ_MAILBOX (mailbox.json of the operators), FUZZ_ROLE, FUZZ_PASSWORD, FUZZ_GATEWAY (path of the binary; its
configuration is in the working directory). `reach.json` there says in the end which operation answered what.
"""

import atexit
import itertools
import json
import os
import re
import subprocess
import time

import pyotp
import requests
import schemathesis

ORIGIN = os.environ["FUZZ_ORIGIN"]
ROLE = os.environ["FUZZ_ROLE"]
PASSWORD = os.environ["FUZZ_PASSWORD"]
GATEWAY = os.environ["FUZZ_GATEWAY"]
MAILBOX = os.environ["FUZZ_MAILBOX"]
# So often an operation gets a real link or code: each takes several calls.
STORIES_EACH = 2

HTTP = requests.Session()
HTTP.trust_env = False
numbers = itertools.count(1)
turns = itertools.count()
reached = {}


def call(method, path, token=None, body=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    HTTP.cookies.clear()
    return HTTP.request(method, ORIGIN + "/auth" + path, headers=headers, json=body, timeout=30)


def create(role):
    """Somebody who exists; address and id."""
    email = f"fuzz-{role}-{next(numbers)}@example.org"
    words = [GATEWAY, "user", "create", "--email", email, "--name", "Fuzz", "--role", role, "--password-stdin"]
    made = subprocess.run(words, input=PASSWORD.encode(), check=True, capture_output=True)
    return email, made.stdout.decode().strip()


class Account:
    """Somebody who is signed in, whatever was done to them."""

    def __init__(self, role):
        self.role = role
        self.email = self.token = self.refresh = None

    def live_token(self):
        for attempt in (self.signed_in, self.sign_in, self.begin_anew):
            if attempt():
                return self.token
        raise RuntimeError("not even a new account can sign in")

    def signed_in(self):
        if self.token is None:
            return False
        answer = call("GET", "/profile/", token=self.token)
        # With a second factor nothing sensitive would be reached any more.
        if answer.status_code == 200 and any(answer.json()["second_factor"].values()):
            self.email = None
        return answer.status_code == 200 and self.email is not None

    def sign_in(self):
        if self.email is None:
            return False
        answer = call("POST", "/token/", body={"email": self.email, "password": PASSWORD})
        if answer.status_code != 200:
            return False
        self.token, self.refresh = answer.json()["access"], answer.json()["refresh"]
        return True

    def begin_anew(self):
        self.email, _ = create(self.role)
        return self.sign_in()


ACCOUNT = Account(ROLE)
HELPER = Account("admin")
OTHERS = []


def somebody():
    """A person other than the one who asks; a new one when the last was deleted."""
    if not OTHERS or call("GET", f"/admin/users/{OTHERS[-1]}/", HELPER.live_token()).status_code != 200:
        OTHERS.append(create("user")[1])
    return OTHERS[-1]


def waiting():
    """The id of somebody whose role waits for approval; the address need not be proved to be refused one."""
    person = {"name": "Fuzz", "email": f"waits-{next(numbers)}@example.org"}
    call("POST", "/register/", body=person | {"password": PASSWORD, "password_confirm": PASSWORD, "role": "organizer"})
    items = call("GET", "/admin/approvals/?limit=100", token=HELPER.live_token()).json()["items"]
    return items[-1]["id"] if items else somebody()


def first_of(path):
    items = call("GET", path, token=ACCOUNT.token).json().get("items")
    return items[-1]["id"] if items else None


def mail():
    items = call("GET", "/admin/mail/?state=dead", token=HELPER.live_token()).json()["items"]
    return items[-1]["id"] if items else None


def named(path):
    """The id of something that is there."""
    if path.startswith("/admin/users/"):
        return somebody()
    kinds = {
        "/admin/approvals/": waiting,
        "/admin/mail/": mail,
        "/sessions/": lambda: first_of("/sessions/"),
        "/2fa/devices/": lambda: first_of("/2fa/devices/"),
    }
    return next((find() for start, find in kinds.items() if path.startswith(start)), None)


def better_body(path, body):
    """The same body with values that somebody could really send."""
    mine = {"email": ACCOUNT.email, "password": PASSWORD}
    new = {"new_password": PASSWORD + "x", "new_password_confirm": PASSWORD + "x"}
    return body | {
        "/token/": mine,
        "/token/refresh/": {"refresh": ACCOUNT.refresh},
        "/register/": {"password": PASSWORD, "password_confirm": PASSWORD},
        "/change-password/": {"current_password": PASSWORD} | new,
        "/admin/users/": {"email": f"guest-{next(numbers)}@example.org", "roles": ["user"]},
        "/admin/users/{id}/roles/": {"roles": ["user"]},
        "/change-email/": {"email": f"moved-{next(numbers)}@example.org"},
        "/profile/": {"name": "Fuzz"},
    }.get(path, {})


def mailed(address, pattern):
    """What the newest mail to `address` has that looks like this; None after a few seconds."""
    for _ in range(100):
        for mail in HTTP.get(MAILBOX, timeout=30).json()["items"]:
            found = address in mail["to"] and re.search(pattern, re.sub(r"https?://[^/]+", "", mail["text"]))
            if found:
                return found.groups()
        time.sleep(0.1)
    return None


def link(address, flow):
    found = mailed(address, rf"/auth/{flow}/([^/\s]+)/([^/\s]+)/")
    return {"path": dict(zip(("uid", "token"), found or ("x", "x"), strict=True))}


def code(address):
    return (mailed(address, r"(?<![\w/-])(\d{6})(?![\w/-])") or ("000000",))[0]


def registered():
    email = f"registers-{next(numbers)}@example.org"
    person = {"name": "Fuzz", "email": email, "password": PASSWORD, "password_confirm": PASSWORD}
    call("POST", "/register/", body=person)
    return email


def entered():
    """A new person who is signed in; address and access token."""
    account = Account("user")
    account.begin_anew()
    return account.email, account.token


def moving(token):
    email = f"moves-{next(numbers)}@example.org"
    call("POST", "/change-email/", token, {"email": email})
    return email


def move_by_code():
    _, token = entered()
    return {"token": token, "body": {"code": code(moving(token))}}


def closed():
    email, token = entered()
    call("DELETE", "/profile/", token)
    return email


def locked():
    email, _ = create("user")
    for _ in range(5):
        call("POST", "/token/", body={"email": email, "password": "Wrong-1!"})
    return email


def seen_twice():
    email, _ = entered()
    call("POST", "/token/", body={"email": email, "password": PASSWORD})
    return email


def reset():
    email, _ = create("user")
    call("POST", "/password-reset/", body={"email": email})
    new = {"new_password": PASSWORD + "x", "new_password_confirm": PASSWORD + "x"}
    return {"body": link(email, "password-reset")["path"] | new}


def challenge(with_code=True):
    email, token = entered()
    call("POST", "/2fa/email/", token)
    begun = call("POST", "/token/", body={"email": email, "password": PASSWORD}).json()
    return {"body": {"challenge": begun["challenge"]} | ({"code": code(email)} if with_code else {})}


def enrolling():
    _, token = entered()
    begun = call("POST", "/2fa/totp/", token).json()
    return {"token": token, "body": {"code": pyotp.TOTP(begun["secret"]).now()}}


def enrolled():
    """Somebody who has set up an app and shown a code of it since."""
    begun = enrolling()
    codes = call("POST", "/2fa/totp/confirm/", begun["token"], begun["body"]).json()["recovery_codes"]
    proof = {"code": codes[0], "method": "recovery"}
    return {"token": call("POST", "/elevate/", begun["token"], proof).json()["access"]}


STORIES = {
    "POST /verify-email/{uid}/{token}/": lambda: link(registered(), "verify-email"),
    "POST /verify-email/code/": lambda: (lambda email: {"body": {"email": email, "code": code(email)}})(registered()),
    "POST /change-email/{uid}/{token}/": lambda: link(moving(entered()[1]), "change-email"),
    "POST /change-email/code/": move_by_code,
    "POST /undo-deletion/{uid}/{token}/": lambda: link(closed(), "undo-deletion"),
    "POST /unlock/{uid}/{token}/": lambda: link(locked(), "unlock"),
    "POST /not-me/{uid}/{token}/": lambda: link(seen_twice(), "not-me"),
    "POST /password-reset/confirm/": reset,
    "POST /token/verify-otp/": challenge,
    "POST /token/resend-otp/": lambda: challenge(with_code=False),
    "POST /2fa/totp/confirm/": enrolling,
    "DELETE /2fa/totp/": enrolled,
    "POST /2fa/recovery-codes/": enrolled,
}
told = {}


def tell(case, path):
    """Puts what a story gives into a case; whether there was one."""
    name = f"{case.method.upper()} {path}"
    if name not in STORIES or told.get(name, 0) >= STORIES_EACH:
        return False
    told[name] = told.get(name, 0) + 1
    story = STORIES[name]()
    if "path" in story:
        case.path_parameters.update(story["path"])
    if "body" in story:
        case.body = story["body"]
    if "token" in story:
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {story['token']}"
    return True


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive or next(turns) % 2:
        return
    path = case.operation.path.removeprefix("/auth")
    if tell(case, path):
        return
    ident = named(path) if "id" in (case.path_parameters or {}) else None
    if ident:
        case.path_parameters["id"] = ident
    if isinstance(case.query, dict):
        case.query.clear()
        if path == "/admin/rules/explain":
            case.query["path"] = "/public/x"
    if isinstance(case.body, dict):
        if path == "/elevate/":
            case.body = {"password": PASSWORD}
        elif path == "/register/":
            case.body.pop("role", None)
        case.body = better_body(path, case.body)


@schemathesis.hook
def after_call(context, case, response):
    reached.setdefault(case.operation.label, set()).add(response.status_code)


@atexit.register
def write_down():
    with open("reach.json", "w", encoding="utf-8") as file:
        json.dump({operation: sorted(statuses) for operation, statuses in sorted(reached.items())}, file, indent=1)


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        return ACCOUNT.live_token()

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
