"""A small client for the HTTP API of Stagedoor.

    with Stagedoor("https://events.example.org") as me:
        me.sign_in("ada@example.org", password)
        print(me.me()["roles"])

One object is one caller: it keeps the tokens (or, with `cookies=True`, the cookies) of one sign-in and refreshes them
before they run out. Every refusal is raised as `Problem`. Needs `requests` and nothing of Stagedoor's own code;
docs/clients.md shows how to use it.
"""

import time

import requests

# Seconds before its end at which an access token is replaced.
EARLY = 15


class Problem(Exception):
    """A refusal: a problem document (RFC 9457)."""

    def __init__(self, response, body):
        self.response = response
        self.body = body
        self.status = response.status_code
        self.type = body["type"]
        self.title = body.get("title", "")
        self.detail = body.get("detail", "")
        self.errors = body.get("errors", {})  # {field: [what is wrong with it]}
        super().__init__(f"{self.status} {self.type}: {self.detail or self.title} {self.errors or ''}".rstrip())

    @property
    def name(self):
        """The last part of `type`, such as `wrong-code`."""
        return self.type.rstrip("/").replace("#", "/").replace(":", "/").rsplit("/", 1)[-1]

    @property
    def retry_after(self):
        """Seconds to wait before the next try, if the answer says so."""
        value = self.response.headers.get("Retry-After", "")
        return int(value) if value.isdigit() else None


class BadAnswer(Exception):
    """An answer that the contract does not know: no JSON, no problem document, a field that is missing."""


class ChallengeDue(Exception):
    """The password was right and a second factor is due: `finish_challenge` with a code by one of `methods`."""

    def __init__(self, body):
        self.challenge = body["challenge"]
        self.methods = body["methods"]
        self.expires_in = body["expires_in"]
        super().__init__(f"second factor due: {', '.join(self.methods)}")


class Stagedoor:
    """One caller of the API. `on_answer(method, path pattern, response)` sees every answer."""

    def __init__(self, base_url, prefix="/auth", *, cookies=False, origin=None, timeout=30, on_answer=None):
        self.base = base_url.rstrip("/")
        self.root = self.base + prefix
        self.cookies = cookies
        self.origin = origin or self.base
        self.timeout = timeout
        self.on_answer = on_answer
        self.http = requests.Session()
        self.http.trust_env = False
        self.admin = Administration(self)
        self.forget()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def forget(self):
        """Drops the tokens without telling the server."""
        self.access = self.refresh_token = self.user = None
        self.expires_at = 0.0

    # -- transport

    def send(self, method, path, *, body=None, query=None, headers=None, bearer=None, **names):
        """One request; the response as it is. `path` is a pattern below the prefix, `names` fill its braces."""
        fields = {"Accept": "application/json"}
        if bearer:
            fields["Authorization"] = f"Bearer {bearer}"
        if self.cookies:
            # What a browser would say; without it the gateway refuses a change that only a cookie authorises.
            fields["Origin"] = self.origin
        fields.update(headers or {})
        url = self.root + path.format(**{name: requests.utils.quote(str(value), "") for name, value in names.items()})
        # Names and headers whose value is None are left out.
        response = self.http.request(
            method, url, json=body, params=query, headers=fields, timeout=self.timeout, allow_redirects=False
        )
        if self.on_answer:
            self.on_answer(method, path, response)
        return response

    def ask(self, method, path, body=None, **more):
        """One request without a sign-in; the JSON of the answer, None without content."""
        response = self.send(method, path, body=body, **more)
        kind = response.headers.get("Content-Type", "").split(";")[0].strip()
        if response.status_code >= 400:
            if kind != "application/problem+json":
                raise BadAnswer(f"{method} {path}: {response.status_code} as {kind or 'nothing'}")
            raise Problem(response, decoded(response))
        if response.status_code == 204:
            return None
        if kind == "text/csv":
            return response.text
        if kind != "application/json":
            raise BadAnswer(f"{method} {path}: {response.status_code} as {kind or 'nothing'}")
        return decoded(response)

    def own(self, method, path, body=None, **more):
        """One request of the person who is signed in; refreshes first when that is due."""
        if self.refresh_token and time.time() > self.expires_at - EARLY:
            self.refresh()
        return self.ask(method, path, body, bearer=self.access, **more)

    def keep(self, answer):
        """Keeps the tokens of an answer. With cookies that is the jar's business: two credentials are one too many."""
        self.user = answer.get("user", self.user)
        if not self.cookies:
            self.access = answer.get("access", self.access)
            self.refresh_token = answer.get("refresh", self.refresh_token)
            self.expires_at = time.time() + answer.get("expires_in", 0)
        return answer

    # -- registration

    def register(self, name, email, password, password_confirm=None, **more):
        """`role` may be among `more`. The answer is the same for an address that has an account already."""
        confirm = password if password_confirm is None else password_confirm
        person = {"name": name, "email": email, "password": password, "password_confirm": confirm}
        return self.ask("POST", "/register/", person | more)

    def activate(self, uid, token):
        return self.ask("POST", "/verify-email/{uid}/{token}/", uid=uid, token=token)

    def activate_by_code(self, email, code):
        return self.ask("POST", "/verify-email/code/", {"email": email, "code": code})

    def resend_activation(self, email):
        return self.ask("POST", "/resend-verification/", {"email": email})

    def bootstrap(self, token, name, email, password):
        """The first administrator, with the one-time token of the first start."""
        person = {"name": name, "email": email, "password": password, "password_confirm": password}
        return self.ask("POST", "/bootstrap/", {"token": token} | person)

    # -- signing in and out

    def sign_in(self, email, password, **more):
        """Signs in. Raises `ChallengeDue` when a second factor is due."""
        credentials = {"email": email, "password": password} | self.mode() | more
        return self.signed_in(self.ask("POST", "/token/", credentials))

    def finish_challenge(self, challenge, code, **more):
        """`method` and `remember_device` may be among `more`."""
        return self.signed_in(
            self.ask("POST", "/token/verify-otp/", {"challenge": challenge, "code": code} | self.mode() | more)
        )

    def resend_code(self, challenge):
        return self.ask("POST", "/token/resend-otp/", {"challenge": challenge})

    def mode(self):
        return {"session": "cookie"} if self.cookies else {}

    def signed_in(self, answer):
        if "challenge" in answer:
            raise ChallengeDue(answer)
        self.forget()
        return self.keep(answer)

    def refresh(self):
        """Takes new tokens. After a 401 the sign-in is over."""
        try:
            return self.keep(self.ask("POST", "/token/refresh/", {"refresh": self.refresh_token}))
        except Problem as problem:
            if problem.status == 401:
                self.forget()
            raise

    def sign_out(self, everywhere=False):
        body = {"refresh": self.refresh_token} if self.refresh_token else {}
        self.ask("POST", "/logout/", body | ({"all": True} if everywhere else {}), bearer=self.access)
        self.forget()

    def elevate(self, password=None, *, code=None, method=None):
        """Proves again who is here, by password or code. With only `method="email"` a code is mailed."""
        proof = {"password": password, "code": code, "method": method}
        answer = self.own("POST", "/elevate/", {name: value for name, value in proof.items() if value is not None})
        return self.keep(answer) if "access" in answer else answer

    # -- own account

    def me(self):
        return self.own("GET", "/me/")

    def profile(self):
        return self.own("GET", "/profile/")

    def edit_profile(self, **fields):
        return self.own("PATCH", "/profile/", fields)

    def change_password(self, current, new, confirm=None):
        return self.own("POST", "/change-password/", {"current_password": current} | twice(new, confirm))

    def change_email(self, email):
        return self.own("POST", "/change-email/", {"email": email})

    def confirm_email(self, uid, token):
        return self.ask("POST", "/change-email/{uid}/{token}/", uid=uid, token=token)

    def confirm_email_by_code(self, code):
        return self.own("POST", "/change-email/code/", {"code": code})

    def export(self):
        return self.own("GET", "/export/")

    def delete_account(self):
        return self.own("DELETE", "/profile/")

    def undo_deletion(self, uid, token):
        return self.ask("POST", "/undo-deletion/{uid}/{token}/", uid=uid, token=token)

    # -- lost and locked

    def forgot_password(self, email):
        return self.ask("POST", "/password-reset/", {"email": email})

    def reset_password(self, uid, token, new, confirm=None):
        return self.ask("POST", "/password-reset/confirm/", {"uid": uid, "token": token} | twice(new, confirm))

    def reset_password_by_code(self, email, code, new, confirm=None):
        return self.ask("POST", "/password-reset/confirm/", {"email": email, "code": code} | twice(new, confirm))

    def unlock(self, uid, token):
        return self.ask("POST", "/unlock/{uid}/{token}/", uid=uid, token=token)

    def not_me(self, uid, token):
        return self.ask("POST", "/not-me/{uid}/{token}/", uid=uid, token=token)

    # -- sessions, devices, history

    def sessions(self):
        return self.own("GET", "/sessions/")["items"]

    def session(self, id):
        return self.own("GET", "/sessions/{id}/", id=id)

    def end_session(self, id):
        return self.own("DELETE", "/sessions/{id}/", id=id)

    def end_other_sessions(self):
        return self.own("DELETE", "/sessions/")

    def devices(self):
        return self.own("GET", "/2fa/devices/")["items"]

    def forget_device(self, id):
        return self.own("DELETE", "/2fa/devices/{id}/", id=id)

    def forget_devices(self):
        return self.own("DELETE", "/2fa/devices/")

    def activity(self, **query):
        """One page: {items, next}. `pages(me.activity)` walks through all of them."""
        return self.own("GET", "/activity/", query=query)

    # -- second factor

    def mailed_codes(self):
        return self.own("GET", "/2fa/email/")

    def turn_on_mailed_codes(self):
        return self.own("POST", "/2fa/email/")

    def turn_off_mailed_codes(self):
        return self.own("DELETE", "/2fa/email/")

    def totp(self):
        return self.own("GET", "/2fa/totp/")

    def begin_totp(self):
        """{secret, uri, qr_svg}: not in force before `confirm_totp`."""
        return self.own("POST", "/2fa/totp/")

    def confirm_totp(self, code):
        """{recovery_codes}: shown this once."""
        return self.own("POST", "/2fa/totp/confirm/", {"code": code})

    def turn_off_totp(self):
        return self.own("DELETE", "/2fa/totp/")

    def recovery_codes_left(self):
        return self.own("GET", "/2fa/recovery-codes/")["remaining"]

    def new_recovery_codes(self):
        return self.own("POST", "/2fa/recovery-codes/")["recovery_codes"]

    # -- integration

    def keys(self):
        return self.ask("GET", "/.well-known/jwks.json")

    def openapi(self):
        return self.ask("GET", "/openapi.json")


class Administration:
    """The calls below /admin/, made as the person that `caller` is signed in as. Changes ask for `elevate` first."""

    def __init__(self, caller):
        self.own = caller.own

    def users(self, **query):
        """One page: {items, next}. Query: q, role, state, sort, cursor, limit; format="csv" for all as text."""
        return self.own("GET", "/admin/users/", query=query)

    def invite(self, name, email, roles):
        return self.own("POST", "/admin/users/", {"name": name, "email": email, "roles": roles})

    def user(self, id):
        return self.own("GET", "/admin/users/{id}/", id=id)

    def delete_user(self, id):
        return self.own("DELETE", "/admin/users/{id}/", id=id)

    def activate(self, id):
        return self.own("POST", "/admin/users/{id}/activate/", id=id)

    def deactivate(self, id):
        return self.own("POST", "/admin/users/{id}/deactivate/", id=id)

    def unlock(self, id):
        return self.own("POST", "/admin/users/{id}/unlock/", id=id)

    def send_reset(self, id):
        return self.own("POST", "/admin/users/{id}/reset-password/", id=id)

    def set_roles(self, id, roles):
        return self.own("PUT", "/admin/users/{id}/roles/", {"roles": roles}, id=id)

    def sessions(self, id):
        return self.own("GET", "/admin/users/{id}/sessions/", id=id)["items"]

    def end_sessions(self, id):
        return self.own("DELETE", "/admin/users/{id}/sessions/", id=id)

    def approvals(self, **query):
        return self.own("GET", "/admin/approvals/", query=query)

    def decide(self, id, approve):
        return self.own("POST", "/admin/approvals/{id}/", {"approve": approve}, id=id)

    def attempts(self, **query):
        """Query: account, address, ip, outcome, from, to, cursor, limit, format."""
        return self.own("GET", "/admin/attempts/", query=query)

    def audit(self, **query):
        """Query: actor, target, action, from, to, cursor, limit, format."""
        return self.own("GET", "/admin/audit/", query=query)

    def rules(self):
        return self.own("GET", "/admin/rules/")

    def explain(self, method, path, **query):
        """What the running rules say to a request. Query: host, role, mfa, age, ip."""
        return self.own("GET", "/admin/rules/explain", query={"method": method, "path": path} | query)

    def mail(self, **query):
        return self.own("GET", "/admin/mail/", query=query)

    def retry_mail(self, id):
        return self.own("POST", "/admin/mail/{id}/retry/", id=id)


def pages(call, **query):
    """Every item of a paged call, one after the other."""
    cursor = None
    while True:
        page = call(**query, **({"cursor": cursor} if cursor else {}))
        yield from page["items"]
        cursor = page["next"]
        if not cursor:
            return


def twice(new, confirm):
    return {"new_password": new, "new_password_confirm": new if confirm is None else confirm}


def decoded(response):
    try:
        body = response.json()
    except ValueError as error:
        raise BadAnswer(f"{response.request.method} {response.url}: no JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadAnswer(f"{response.request.method} {response.url}: no JSON object")
    if response.status_code >= 400 and not isinstance(body.get("type"), str):
        raise BadAnswer(f"{response.request.method} {response.url}: a problem without type")
    return body
