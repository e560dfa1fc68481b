"""What schemathesis needs to know beyond the description: who is asking.

The fuzzer signs itself out, closes its account and turns on second factors, as it should. So before each case the token
is tried; when it is dead, the account signs in again; when that does not work any more, a new account is made.

Environment: FUZZ_ORIGIN (scheme, host and port), FUZZ_ROLE, FUZZ_PASSWORD, FUZZ_GATEWAY (path of the binary; its
configuration is in the working directory).
"""

import itertools
import os
import subprocess

import requests
import schemathesis

ORIGIN = os.environ["FUZZ_ORIGIN"]
ROLE = os.environ["FUZZ_ROLE"]
PASSWORD = os.environ["FUZZ_PASSWORD"]
GATEWAY = os.environ["FUZZ_GATEWAY"]


class Account:
    """Somebody who is signed in, whatever was done to them."""

    numbers = itertools.count(1)

    def __init__(self):
        self.email = None
        self.token = None

    def live_token(self):
        for attempt in (self.signed_in, self.sign_in, self.begin_anew):
            if attempt():
                return self.token
        raise RuntimeError("not even a new account can sign in")

    def signed_in(self):
        return self.token is not None and self.call("GET", "/auth/me/", token=self.token).status_code == 200

    def sign_in(self):
        if self.email is None:
            return False
        answer = self.call("POST", "/auth/token/", json={"email": self.email, "password": PASSWORD})
        if answer.status_code != 200:
            return False
        self.token = answer.json()["access"]
        return True

    def begin_anew(self):
        self.email = f"fuzz-{ROLE}-{next(self.numbers)}@example.org"
        words = [GATEWAY, "user", "create", "--email", self.email, "--name", "Fuzz", "--role", ROLE, "--password-stdin"]
        subprocess.run(words, input=PASSWORD.encode(), check=True, capture_output=True)
        return self.sign_in()

    @staticmethod
    def call(method, path, token=None, json=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, ORIGIN + path, headers=headers, json=json, timeout=30)


ACCOUNT = Account()


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        return ACCOUNT.live_token()

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
