"""Flows of journey.py: administration."""

import csv
import io
import re

from checks import TIME, UUID, Maybe, equal, expect, refused, shape
from client import Problem, pages
from flows_account import ATTEMPT
from flows_sign_in import alive, claims, dead, fail

UNKNOWN = "00000000-0000-4000-8000-000000000000"
LISTED = {"id": UUID, "email": str, "name": str, "roles": [str], "state": str}
PAGE = {"items": [dict], "next": Maybe(str)}


def found(admin, email):
    """The one account with this address, as the list shows it."""
    items = [item for item in admin.users(q=email)["items"] if item["email"] == email]
    equal(len(items), 1, f"accounts found for {email}")
    return items[0]


def table(text, needed):
    """The rows of a CSV answer as dictionaries."""
    expect(isinstance(text, str), "the answer is no CSV")
    rows = list(csv.DictReader(io.StringIO(text)))
    expect(rows, "no row")
    expect(needed <= set(rows[0]), f"columns: {', '.join(rows[0])}")
    expect(not any(str(value).startswith(("=", "+", "@")) for row in rows for value in row.values()), "a formula")
    return rows


def users(world):
    step = world.step
    people = [world.person(f"list{number}") for number in range(3)]
    admin = world.admin()
    with step("a page"):
        page = shape(admin.users(), PAGE | {"items": [LISTED]})
        expect("next" in page, "next is missing")
    with step("search"):
        item = found(admin, people[0].email)
        equal(item["roles"], ["participant"], "roles")
        equal(len(admin.users(q="LIST")["items"]) >= 3, True, "whether the beginning of the address finds them")
        equal(admin.users(q=f"-{world.run}@")["items"], [], "what another part of it finds")
    with step("search for what is a wildcard elsewhere"):
        equal(admin.users(q="%%%_%%%")["items"], [], "items")
    with step("by role"):
        listed = list(pages(admin.users, role="admin"))
        expect(listed and all("admin" in item["roles"] for item in listed), "somebody without the role")
    with step("by state"):
        listed = admin.users(state=item["state"])["items"]
        expect(listed and all(other["state"] == item["state"] for other in listed), "somebody in another state")
    with step("page by page, nobody twice"):
        ids = [item["id"] for item in pages(admin.users, limit=2, q="list")]
        equal(len(ids), len(set(ids)), "the number of accounts")
        mine = {found(admin, person.email)["id"] for person in people}
        expect(mine <= set(ids), "somebody is missing")
    for query in ({"cursor": "forged"}, {"sort": "password_hash"}, {"state": "odd"}, {"limit": "0"}, {"limit": "101"}):
        with step(f"{query} is refused"):
            refused(400, admin.users, **query, kind="malformed-query")
    with step("a parameter that nobody knows is refused"):
        refused(400, admin.users, password="x")
    with step("as CSV"):
        rows = table(admin.users(format="csv", q="list"), {"id", "email", "name", "roles"})
        expect({person.email for person in people} <= {row["email"] for row in rows}, "somebody is missing")
    with step("a CSV cell is no formula"):
        mark = world.mailbox.mark()
        odd = world.stranger("formula")
        odd.name = '=HYPERLINK("https://evil.example")'
        try:
            world.client().register(odd.name, odd.email, odd.password)
        except Problem as problem:
            equal(problem.status, 422, "status")  # not taken as a name, which is as good
        else:
            world.mailbox.wait(odd.email, mark)
            table(admin.users(format="csv", q=odd.email), {"email"})
    with step("one account"):
        shape(admin.user(item["id"]), LISTED)
    with step("an unknown one: 404"):
        refused(404, admin.user, UNKNOWN)
    with step("an id that is none"):
        refused((400, 404), admin.user, "none")


def invitation(world):
    step, guest = world.step, world.stranger("guest")
    admin = world.admin()
    mark = world.mailbox.mark()
    with step("inviting: 201 and no password in the answer"):
        answer = admin.invite(guest.name, guest.email, ["organizer"])
        shape(answer, {"id": UUID, "email": str})
        equal(world.watch.called[("POST", "/admin/users/")] & {200, 201}, {201}, "status")
        equal([name for name in answer if "password" in name and not name.endswith("_at")], [], "fields with a password")
    with step("a mail with a link"):
        mail = world.mailbox.wait(guest.email, mark, r"/auth/[a-z-]+/")
        flow = re.search(r"/auth/([a-z-]+)/[^/\s]+/[^/\s]+", mail.text)[1]
    with step("the invited person sets a password with it"):
        # The contract names no call of its own for this, so the link has to be one of the known kinds.
        equal(flow, "password-reset", "the flow of the link")
        world.client().reset_password(*mail.link(flow), guest.password)
        equal(world.sign_in(guest).me()["roles"], ["organizer"], "roles")
    with step("the address is taken now"):
        refused((409, 422), admin.invite, "Twice", guest.email, ["participant"])
    with step("an unknown role"):
        refused((400, 422), admin.invite, "Ada", world.stranger("guest2").email, ["no-such-role"])
    with step("deleting the account"):
        ident = found(admin, guest.email)["id"]
        admin.delete_user(ident)
        refused((401, 403), world.client().sign_in, guest.email, guest.password)


def roles(world):
    step, ada = world.step, world.person("roles")
    client, admin = world.sign_in(ada), world.admin()
    with step("changing roles"):
        admin.set_roles(client.user["id"], ["participant", "organizer"])
        equal(set(admin.user(client.user["id"])["roles"]), {"participant", "organizer"}, "roles")
    with step("tokens from before are refused at once"):
        refused(401, client.ask, "GET", "/me/", bearer=client.access)
    with step("the session lives on, with the new roles"):
        client.refresh()
        equal(set(client.me()["roles"]), {"participant", "organizer"}, "roles of me")
        expect("events.create" in claims(client, world)["permissions"], "the permissions in the token")
    for odd in (["no-such-role"], ["Admin"]):
        with step(f"{odd} is refused"):
            refused((400, 422), admin.set_roles, client.user["id"], odd)
    with step("an unknown account: 404"):
        refused(404, admin.set_roles, UNKNOWN, ["participant"])


def switching_off(world):
    step, ada = world.step, world.person("switch")
    client, admin = world.sign_in(ada), world.admin()
    ident = client.user["id"]
    with step("deactivated: tokens are refused at once"):
        admin.deactivate(ident)
        dead(client)
    with step("nobody signs in: 403 after the right password, 401 after a wrong one"):
        refused(403, world.client().sign_in, ada.email, ada.password)
        refused(401, world.client().sign_in, ada.email, "Wrong-1!pass")
    with step("the list says so"):
        off = found(admin, ada.email)
        expect(off["id"] in [item["id"] for item in pages(admin.users, state=off["state"])], "not found by its state")
    with step("activated again"):
        admin.activate(ident)
        alive(world.sign_in(ada))
    with step("old sessions stay dead"):
        dead(client)
    for call in (admin.activate, admin.deactivate, admin.unlock, admin.send_reset, admin.sessions, admin.end_sessions):
        with step(f"{call.__name__} of an unknown account: 404"):
            refused(404, call, UNKNOWN)


def help_for_people(world):
    step, ada = world.step, world.person("help")
    client, admin = world.sign_in(ada), world.admin()
    ident = client.user["id"]
    with step("unlocking"):
        fail(world, ada, 5)
        refused(423, world.client().sign_in, ada.email, ada.password)
        admin.unlock(ident)
        alive(world.sign_in(ada))
    with step("sessions of a person"):
        shape(admin.sessions(ident), [{"id": UUID, "ip": str, "user_agent": str, "created_at": TIME}], "items")
        equal(len(admin.sessions(ident)), 2, "how many")
    with step("ending them"):
        admin.end_sessions(ident)
        dead(client)
        equal(admin.sessions(ident), [], "sessions")
    with step("sending a reset"):
        mark = world.mailbox.mark()
        admin.send_reset(ident)
        link = world.mailbox.wait(ada.email, mark, "/password-reset/").link("password-reset")
        ada.password = world.password()
        world.client().reset_password(*link, ada.password)
        alive(world.sign_in(ada))


def approvals(world):
    step = world.step
    yes, no = world.person("organizer-yes", role="organizer"), world.person("organizer-no", role="organizer")
    clients, admin = [world.sign_in(yes), world.sign_in(no)], world.admin()
    with step("they begin with the default role and what they asked for"):
        for client in clients:
            equal(client.me()["roles"], ["participant"], "roles")
            equal(client.profile()["requested_role"], "organizer", "requested_role")
    with step("the list"):
        shape(admin.approvals(), PAGE | {"items": [{"id": UUID, "email": str}]})
        waiting = {item["email"]: item for item in pages(admin.approvals)}
        expect({yes.email, no.email} <= set(waiting), "somebody is missing")
        expect("organizer" in waiting[yes.email].values(), f"the role is not said: {waiting[yes.email]}")
    with step("approving"):
        mark = world.mailbox.mark()
        admin.decide(waiting[yes.email]["id"], True)
        clients[0].refresh()
        expect("organizer" in clients[0].me()["roles"], "the role is not there")
    with step("the person is told"):
        world.mailbox.wait(yes.email, mark, "organizer")
    with step("declining"):
        admin.decide(waiting[no.email]["id"], False)
        clients[1].refresh()
        equal(clients[1].me()["roles"], ["participant"], "roles")
        equal(clients[1].profile().get("requested_role"), None, "requested_role")
    with step("both are off the list"):
        left = {item["email"] for item in pages(admin.approvals)}
        expect(not {yes.email, no.email} & left, "somebody is still on it")
    with step("deciding again"):
        refused((404, 409), admin.decide, waiting[yes.email]["id"], True)
    with step("an unknown one: 404"):
        refused(404, admin.decide, UNKNOWN, True)
    with step("an answer that is neither yes nor no"):
        refused((400, 422), admin.decide, UNKNOWN, "yes")


def records(world):
    step, ada = world.step, world.person("records")
    client = world.sign_in(ada)
    refused(401, world.client().sign_in, ada.email, "Wrong-1!pass")
    admin, ident = world.admin(), client.user["id"]
    operator = found(admin, world.operator.email)["id"]
    admin.set_roles(ident, ["organizer"])
    with step("attempts"):
        page = shape(admin.attempts(), PAGE | {"items": [ATTEMPT]})
        expect("next" in page, "next is missing")
    with step("of one account"):
        mine = shape(admin.attempts(account=ident)["items"], [ATTEMPT], "items")
        equal(len(mine), 2, "how many")
    with step("of one address"):
        equal(len(admin.attempts(address=ada.email)["items"]), 2, "how many")
    with step("by outcome"):
        outcome = mine[0]["outcome"]
        listed = admin.attempts(account=ident, outcome=outcome)["items"]
        equal([item["outcome"] for item in listed], [outcome], "outcomes")
    with step("by time and address of the network"):
        equal(admin.attempts(account=ident, **{"from": "2100-01-01T00:00:00Z"})["items"], [], "items")
        equal(admin.attempts(account=ident, to="2020-01-01T00:00:00Z")["items"], [], "items")
        equal(len(admin.attempts(account=ident, ip=mine[0]["ip"])["items"]), 2, "how many")
    with step("page by page"):
        equal(len(list(pages(admin.attempts, account=ident, limit=1))), 2, "how many")
    with step("as CSV"):
        equal(len(table(admin.attempts(account=ident, format="csv"), {"at", "ip", "outcome"})), 2, "rows")
    with step("audit"):
        page = shape(admin.audit(), PAGE | {"items": [{"at": TIME, "action": str}]})
        expect("next" in page, "next is missing")
    with step("audit of one person, with actor and target"):
        lines = admin.audit(target=ident, actor=operator)["items"]
        expect(lines, "the change of roles is not there")
        action = lines[0]["action"]
        expect(admin.audit(target=ident, action=action)["items"], "not found by its action")
        expect(operator in str(lines[0]) and ident in str(lines[0]), f"actor or target is missing: {lines[0]}")
    with step("audit as CSV"):
        table(admin.audit(target=ident, format="csv"), {"at", "action"})
    for call in (admin.attempts, admin.audit):
        for query in ({"cursor": "forged"}, {"limit": "0"}, {"from": "yesterday"}, {"format": "xml"}):
            with step(f"{call.__name__} with {query} is refused"):
                refused(400, call, **query, kind="malformed-query")


def rules(world):
    step, admin = world.step, world.admin()
    with step("the running rules"):
        expect("path" in str(admin.rules()), "no path in the answer")
    with step("explain"):
        shape(admin.explain("GET", "/admin/x", role="participant"), dict)
        shape(admin.explain("GET", "/", mfa="true", age="180", ip="10.0.0.7", host="localhost"), dict)
    with step("two roles that differ are judged differently"):
        one, two = (admin.explain("GET", "/admin/x", role=role) for role in ("admin", "participant"))
        expect(one != two, "the same answer")
    with step("explain names roles that the configuration does not have"):
        equal(admin.explain("GET", "/", role="admin,no-such-role")["unknown_roles"], ["no-such-role"], "unknown_roles")
    for what, arguments, query in [
        ("a path that is none", ("GET", "x"), {}),
        ("an age that is none", ("GET", "/"), {"age": "old"}),
    ]:
        with step(f"explain with {what}"):
            refused((400, 422), admin.explain, *arguments, **query)


def mail(world):
    step, admin = world.step, world.admin()
    with step("the queue"):
        page = shape(admin.mail(), PAGE | {"items": [{"id": str, "state": str}]})
        expect(page["items"], "no mail at all after so many")
    with step("no text of a mail, no link"):
        listed = str(page["items"])
        expect("/verify-email/" not in listed and "/password-reset/" not in listed, "a link")
    with step("by state, page by page"):
        state = page["items"][0]["state"]
        listed = list(pages(admin.mail, state=state, limit=50))
        expect(all(item["state"] == state for item in listed), "one in another state")
    with step("an unknown state is refused"):
        refused(400, admin.mail, state="odd", kind="malformed-query")
    with step("retrying an unknown one: 404"):
        refused(404, admin.retry_mail, UNKNOWN)


def readers(admin):
    """Every call that only reads, by the permission it asks for."""
    return {
        "users.view": [admin.users, lambda: admin.user(UNKNOWN), lambda: admin.sessions(UNKNOWN), admin.approvals],
        "audit.view": [admin.attempts, admin.audit],
        "mail.view": [admin.mail],
        "rules.view": [admin.rules, lambda: admin.explain("GET", "/")],
    }


def writers(admin, ident):
    """Every call that changes something."""
    return {
        "activate": lambda: admin.activate(ident),
        "deactivate": lambda: admin.deactivate(ident),
        "unlock": lambda: admin.unlock(ident),
        "send_reset": lambda: admin.send_reset(ident),
        "set_roles": lambda: admin.set_roles(ident, ["participant"]),
        "delete_user": lambda: admin.delete_user(ident),
        "end_sessions": lambda: admin.end_sessions(ident),
        "invite": lambda: admin.invite("Ada", "nobody@example.org", ["participant"]),
        "decide": lambda: admin.decide(ident, True),
        "retry_mail": lambda: admin.retry_mail(UNKNOWN),
    }


def who_may(world):
    step = world.step
    ada, eve = world.person("may-auditor"), world.person("may-eve")
    helper = world.person("may-helpdesk")
    target = world.sign_in(eve)
    ident, admin = target.user["id"], world.admin()
    operator = found(admin, world.operator.email)["id"]
    plain = world.sign_in(eve)
    plain.elevate(eve.password)
    for permission, calls in readers(plain.admin).items():
        with step(f"without {permission}: 403"):
            for call in calls:
                refused(403, call, kind="permission-required")
    with step("a participant changes nothing"):
        for call in writers(plain.admin, operator).values():
            refused(403, call, kind="permission-required")
    with step("nobody without a sign-in: 401"):
        for calls in readers(world.client().admin).values():
            for call in calls:
                refused(401, call)
        for call in writers(world.client().admin, ident).values():
            refused(401, call)
    with step("an auditor reads people and records"):
        admin.set_roles(found(admin, ada.email)["id"], ["auditor"])
        auditor = world.sign_in(ada)
        auditor.elevate(ada.password)
        shape(auditor.admin.users(), PAGE)
        shape(auditor.admin.attempts(), PAGE)
        shape(auditor.admin.audit(), PAGE)
    with step("but not mails and rules"):
        refused(403, auditor.admin.mail, kind="permission-required")
        refused(403, auditor.admin.rules, kind="permission-required")
    for name, call in writers(auditor.admin, ident).items():
        with step(f"an auditor may not {name}"):
            refused(403, call, kind="permission-required")
    with step("and nothing has happened"):
        alive(target)
    with step("a helpdesk grants nothing that it does not hold"):
        admin.set_roles(found(admin, helper.email)["id"], ["helpdesk"])
        desk = world.sign_in(helper)
        desk.elevate(helper.password)
        refused(403, desk.admin.set_roles, desk.user["id"], ["helpdesk", "admin"])
        refused(403, desk.admin.set_roles, ident, ["admin"])
        refused(403, desk.admin.invite, "Ada", world.stranger("may-new").email, ["admin"])
    with step("and does not touch an administrator"):
        for call in (desk.admin.deactivate, desk.admin.send_reset, desk.admin.end_sessions, desk.admin.delete_user):
            refused(403, call, operator)
    with step("without elevation of its own a fresh sign-in counts, and names the permission first"):
        refused(403, world.sign_in(eve).admin.deactivate, operator, kind="permission-required")


def last_admin(world):
    step, admin = world.step, world.admin()
    operator = found(admin, world.operator.email)["id"]
    for what, call in [
        ("deactivated", lambda: admin.deactivate(operator)),
        ("demoted", lambda: admin.set_roles(operator, ["participant"])),
        ("deleted", lambda: admin.delete_user(operator)),
    ]:
        with step(f"the last administrator is not {what}"):
            refused((403, 409, 422), call)
    with step("nor deletes the own account"):
        client = world.sign_in(world.operator)
        client.elevate(world.operator.password)
        refused((403, 409, 422), client.delete_account)
    with step("and is still there"):
        equal(world.sign_in(world.operator).me()["roles"], ["admin"], "roles")
