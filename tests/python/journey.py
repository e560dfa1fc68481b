"""Goes through every flow of the HTTP API as an outside developer's program would, and checks each answer.

    journey.py --base http://127.0.0.1:8080 --mailbox http://127.0.0.1:9090/mailbox.json \\
        --admin-email admin@example.org --admin-password-file FILE [--public-url URL] [--elevation SECONDS] [--json]

It knows the contract (the API's description and docs/) and client.py, nothing of Stagedoor's code. Every step prints
one line; the exit code is 1 when one failed. `--config-notes` prints what the gateway's configuration must say,
`--only WORD` runs the flows with that in their name. The journey makes its own people, so it may run again on the same
store. It takes a minute and a half, most of it waiting for the next TOTP step and for an elevation to end.
"""

import argparse
import pathlib
import secrets
import sys
import time
from dataclasses import dataclass

import flows_account
import flows_admin
import flows_factor
import flows_integration
import flows_sign_in
from checks import Mailbox, Report, Watch
from client import Stagedoor

CONFIG_NOTES = """\
# What the journey needs of the configuration. All its requests come from one address, so the limits per address are
# wide; it runs into password_reset_account and refresh (per session) on purpose.
mail: { transport: mailbox }
rate_limits:
  login: 1000/1m
  register: 1000/1h
  password_reset: 1000/1h
  password_reset_account: 3/1h
  otp: 1000/10m
  refresh: 25/1m
  resend: 1000/1m
lockout: { failures: 5, within: 30m, duration: 15m }
second_factor: { elevation: 1m }        # and --elevation 60; with more than 90 s that step is skipped
session: { refresh_reuse_window: 10s }
roles:
  admin: { permissions: ["*"] }
  organizer: { permissions: [events.view, events.create], registration: approval }
  participant: { permissions: [events.view, events.register], registration: open, default: true }
  auditor: { permissions: [audit.view, users.view] }
  helpdesk: { permissions: [users.view, users.edit, sessions.revoke] }
rules:
  - { path: /admin/**, allow: { role: admin } }
# public_url is --public-url (or --base). The admin of --admin-email is active, holds the role admin, has no second
# factor, and is the only account that does. No upstream is called.
"""

FLOWS = [
    flows_factor.aged_begin,
    flows_sign_in.registration,
    flows_sign_in.activation,
    flows_sign_in.signing_in,
    flows_sign_in.tokens,
    flows_sign_in.signing_out,
    flows_sign_in.cookies,
    flows_sign_in.lockout,
    flows_sign_in.not_me,
    flows_account.profile,
    flows_account.sessions,
    flows_account.activity,
    flows_account.change_password,
    flows_account.reset_by_link,
    flows_account.reset_by_code,
    flows_account.change_email,
    flows_account.export,
    flows_account.deletion,
    flows_factor.mailed_codes,
    flows_factor.remembered_device,
    flows_factor.totp,
    flows_factor.elevation,
    flows_admin.users,
    flows_admin.invitation,
    flows_admin.roles,
    flows_admin.switching_off,
    flows_admin.help_for_people,
    flows_admin.approvals,
    flows_admin.records,
    flows_admin.rules,
    flows_admin.mail,
    flows_admin.who_may,
    flows_admin.last_admin,
    flows_integration.limits,
    flows_integration.refused_requests,
    flows_factor.aged_end,
    flows_integration.description,
    flows_integration.secrecy,
]


@dataclass
class Person:
    name: str
    email: str
    password: str


class World:
    """What every flow works with."""

    def __init__(self, options):
        self.base = options.base.rstrip("/")
        self.public_url = (options.public_url or options.base).rstrip("/")
        self.elevation = options.elevation
        self.report = Report(quiet=options.json, trace=options.trace)
        self.step = self.report.step
        self.watch = Watch()
        self.mailbox = Mailbox(options.mailbox, self.watch)
        self.run = secrets.token_hex(4)
        password = pathlib.Path(options.admin_password_file).read_text(encoding="utf-8").strip()
        self.operator = Person("Operator", options.admin_email, self.watch.secret("password", password))
        self.aged = None

    def client(self, cookies=False):
        """A new caller on a new device."""
        client = Stagedoor(self.base, cookies=cookies, origin=self.public_url, on_answer=self.watch.answer)
        # Letters: it stands in mails about new devices, where six digits would look like a code.
        device = "".join(secrets.choice("bcdfghjk") for _ in range(6))
        client.http.headers["User-Agent"] = f"journey/1 {device}"
        return client

    def password(self):
        # Digits: in hexadecimal ones "ada" occurs, and a password may not hold the name.
        return self.watch.secret("password", f"Zq8-{secrets.randbelow(10**12):012}-Door!")

    def stranger(self, slug):
        """Somebody who is not registered yet."""
        return Person("Ada Lovelace", f"{slug}-{self.run}@example.org", self.password())

    def person(self, slug, **more):
        """Somebody with an active account."""
        person, anyone = self.stranger(slug), self.client()
        mark = self.mailbox.mark()
        anyone.register(person.name, person.email, person.password, **more)
        uid, token = self.mailbox.wait(person.email, mark, "/verify-email/").link("verify-email")
        anyone.activate(uid, token)
        return person

    def sign_in(self, person, cookies=False):
        client = self.client(cookies)
        client.sign_in(person.email, person.password)
        return client

    def admin(self):
        """The administrator, freshly signed in and elevated."""
        client = self.sign_in(self.operator)
        client.elevate(self.operator.password)
        return client.admin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", help="where the gateway listens")
    parser.add_argument("--public-url", help="server.public_url, if it is not the same")
    parser.add_argument("--mailbox", help="mailbox.json of the operators' listener")
    parser.add_argument("--admin-email")
    parser.add_argument("--admin-password-file")
    parser.add_argument("--elevation", type=int, default=600, help="second_factor.elevation in seconds")
    parser.add_argument("--only", default="", help="only flows with this in their name")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    parser.add_argument("--trace", action="store_true", help="tracebacks of failed steps on standard error")
    parser.add_argument("--config-notes", action="store_true", help="print what the configuration must say")
    options = parser.parse_args()
    if options.config_notes:
        print(CONFIG_NOTES, end="")
        return 0
    for needed in ("base", "mailbox", "admin_email", "admin_password_file"):
        if not getattr(options, needed):
            parser.error(f"--{needed.replace('_', '-')} is missing")
    world = World(options)
    begin = time.monotonic()
    for flow in FLOWS:
        if options.only not in flow.__name__:
            continue
        world.report.prefix = flow.__name__.replace("_", " ")
        before = len(world.report.steps)
        with world.report.setup():
            flow(world)
        if len(world.report.steps) == before:
            world.report.line("nothing to do", "skipped")
    code = world.report.finish()
    if not options.json:
        print(f"{time.monotonic() - begin:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
