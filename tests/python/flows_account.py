"""Flows of journey.py: one's own account."""

import re

from checks import TIME, UUID, Maybe, equal, expect, refused, shape
from client import pages
from flows_sign_in import DETAIL, alive, dead

PROFILE = {
    "id": UUID,
    "email": str,
    "name": str,
    "roles": [str],
    "permissions": [str],
    "email_verified": bool,
    "requested_role": Maybe(str),
    "created_at": TIME,
    "password_changed_at": TIME,
    "second_factor": {"email": bool, "totp": bool},
}
SESSION = {
    "id": UUID,
    "current": bool,
    "ip": str,
    "user_agent": str,
    "created_at": TIME,
    "last_seen_at": TIME,
    "expires_at": TIME,
    "amr": [str],
}
ATTEMPT = {"at": TIME, "ip": str, "user_agent": str, "outcome": str, "reason": Maybe(str)}
# What nobody writes into an export, by the name of the field.
HIDDEN = re.compile(r"(^|_)(hash|secret|token|seed|mac|code|codes|refresh|access)($|_)")
REFUSED_LINK = (400, 401, 404, 409, 410, 422)


def profile(world):
    step = world.step
    ada = world.person("profile")
    client = world.sign_in(ada)
    with step("view"):
        before = shape(client.profile(), PROFILE)
        equal(before["id"], client.user["id"], "id")
        equal(before["email_verified"], True, "email_verified")
        equal(before["second_factor"], {"email": False, "totp": False}, "second_factor")
    with step("edit the name"):
        after = shape(client.edit_profile(name="Ada King"), PROFILE)
        equal(after["name"], "Ada King", "name")
        equal(client.profile()["name"], "Ada King", "name when asked again")
    with step("the next token says the new name"):
        client.refresh()
        equal(client.me()["name"], "Ada King", "name")
    with step("an empty name: 422"):
        refused(422, client.edit_profile, name="  ", field="name")
    with step("a name with control characters: 422"):
        refused(422, client.edit_profile, name="Ada\r\nBcc: x", field="name")
    for field, value in [("email", "x@example.org"), ("roles", ["admin"]), ("password", "Zq8-other-Door!")]:
        with step(f"{field} cannot be changed here"):
            refused((400, 422), client.edit_profile, name="Ada King", **{field: value})
    with step("nothing of that was kept"):
        equal(client.profile()["email"], ada.email, "email")
        equal(client.profile()["roles"], ["participant"], "roles")
    for path in ("/profile/", "/me/", "/sessions/", "/activity/", "/export/", "/2fa/devices/", "/2fa/totp/"):
        with step(f"{path} without a sign-in: 401"):
            refused(401, world.client().ask, "GET", path)


def sessions(world):
    step = world.step
    ada, eve = world.person("sessions"), world.person("sessions-eve")
    one, two, three = world.sign_in(ada), world.sign_in(ada), world.sign_in(ada)
    with step("the list"):
        listed = shape(one.sessions(), [SESSION], "items")
        equal(len(listed), 3, "the number of sessions")
        equal(sum(item["current"] for item in listed), 1, "the number of current ones")
        equal(next(i for i in two.sessions() if i["current"])["user_agent"], two.http.headers["User-Agent"], "agent")
    with step("one of them"):
        mine = next(item["id"] for item in two.sessions() if item["current"])
        equal(shape(one.session(mine), SESSION)["id"], mine, "id")
    with step("a foreign and an unknown one are the same 404"):
        stranger = world.sign_in(eve)
        refused(404, stranger.session, mine)
        refused(404, stranger.end_session, mine)
        refused(404, stranger.session, "00000000-0000-4000-8000-000000000000")
        alive(two)
    with step("an id that is none"):
        refused((400, 404), stranger.session, "none")
    with step("end one"):
        equal(one.end_session(mine), None, "the answer")
        dead(two)
        alive(three)
    with step("end all others"):
        equal(one.end_other_sessions(), None, "the answer")
        dead(three)
        alive(one)
        equal(len(one.sessions()), 1, "the number of sessions")
    with step("end one's own"):
        one.end_session(one.sessions()[0]["id"])
        dead(one)


def activity(world):
    step = world.step
    ada = world.person("activity")
    client = world.sign_in(ada)
    for _ in range(3):
        refused(401, world.client().sign_in, ada.email, "Wrong-1!pass")
    client = world.sign_in(ada)
    with step("a page"):
        page = shape(client.activity(), {"items": [ATTEMPT], "next": Maybe(str)})
        expect("next" in page, "next is missing")
        expect(len(page["items"]) >= 5, f"{len(page['items'])} items after five tries")
        equal(sum(i["outcome"] == page["items"][0]["outcome"] for i in page["items"][:5]), 2, "successes of five")
        times = [item["at"] for item in page["items"]]
        equal(times, sorted(times, reverse=True), "the order, newest first")
    with step("page by page"):
        first = client.activity(limit=2)
        equal(len(first["items"]), 2, "the length of a page")
        equal(list(pages(client.activity, limit=2)), page["items"], "all pages of two")
    with step("a forged cursor: 400"):
        refused(400, client.activity, cursor="forged", kind="malformed-query")
        refused(400, client.activity, cursor=first["next"][:-2] + "AA", kind="malformed-query")
    for limit in ("0", "101", "x", "-1"):
        with step(f"limit={limit}: 400"):
            refused(400, client.activity, limit=limit, kind="malformed-query")
    with step("nobody sees another's"):
        eve = world.sign_in(world.person("activity-eve"))
        equal(len(eve.activity()["items"]), 1, "the number of items")


def change_password(world):
    step = world.step
    ada = world.person("change")
    client, other = world.sign_in(ada), world.sign_in(ada)
    new = world.password()
    with step("a wrong current password"):
        refused((401, 403, 422), client.change_password, "Wrong-1!pass", new)
    with step("the same as the current one: 422"):
        refused(422, client.change_password, ada.password, ada.password, field="new_password")
    with step("a weak one: 422"):
        refused(422, client.change_password, ada.password, "weak", field="new_password")
    with step("two that differ: 422"):
        refused(422, client.change_password, ada.password, new, "Other-1!aaaa", field="new_password_confirm")
    with step("nothing has changed"):
        alive(world.sign_in(ada))
    with step("the change"):
        mark = world.mailbox.mark()
        shape(client.change_password(ada.password, new), DETAIL)
        old, ada.password = ada.password, new
    with step("this session lives on, the others are over"):
        alive(client)
        client.refresh()
        dead(other)
    with step("the old password is refused, the new one opens"):
        refused(401, world.client().sign_in, ada.email, old)
        alive(world.sign_in(ada))
    with step("a mail about it"):
        world.mailbox.wait(ada.email, mark, "password")


def reset_by_link(world):
    step, anyone = world.step, world.client()
    ada = world.person("reset")
    open_one = world.sign_in(ada)
    with step("the same answer for everybody"):
        mark = world.mailbox.mark()
        answer = shape(anyone.forgot_password(ada.email), DETAIL)
        equal(anyone.forgot_password(world.stranger("reset-nobody").email), answer, "the answer for nobody")
        mail = world.mailbox.wait(ada.email, mark, "/password-reset/")
        uid, token = mail.link("password-reset")
        expect(f"{world.public_url}/auth/password-reset/" in mail.text, "the link is not on the public URL")
    with step("asking alone changes nothing"):
        alive(open_one)
        alive(world.sign_in(ada))
    new = world.password()
    with step("a made-up token"):
        refused(REFUSED_LINK, anyone.reset_password, uid, "A" * len(token), new)
    with step("a weak password: 422, and the link is still good"):
        refused(422, anyone.reset_password, uid, token, "weak", field="new_password")
        refused(422, anyone.reset_password, uid, token, new, "Other-1!aaaa", field="new_password_confirm")
    with step("the new password"):
        mark = world.mailbox.mark()
        shape(anyone.reset_password(uid, token, new), DETAIL)
        old, ada.password = ada.password, new
    with step("all sessions are over"):
        dead(open_one)
    with step("the old password is refused, the new one opens"):
        refused(401, anyone.sign_in, ada.email, old)
        alive(world.sign_in(ada))
    with step("the link works once"):
        refused(REFUSED_LINK, anyone.reset_password, uid, token, world.password())
    with step("a mail about it"):
        world.mailbox.wait(ada.email, mark, "password")


def reset_by_code(world):
    step, anyone = world.step, world.client()
    ada = world.person("resetcode")
    mark = world.mailbox.mark()
    anyone.forgot_password(ada.email)
    code = world.mailbox.wait(ada.email, mark, "/password-reset/").code()
    new = world.password()
    with step("a wrong code, the same answer for an unknown address"):
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        one = refused((400, 401, 422), anyone.reset_password_by_code, ada.email, wrong, new)
        nobody = world.stranger("reset-nobody").email
        two = refused((400, 401, 422), anyone.reset_password_by_code, nobody, wrong, new)
        equal((two.status, two.type, two.title), (one.status, one.type, one.title), "the second refusal")
    with step("link and code together are refused"):
        both = {"uid": "x", "token": "y", "email": ada.email, "code": code}
        body = both | {"new_password": new, "new_password_confirm": new}
        refused((400, 422), anyone.ask, "POST", "/password-reset/confirm/", body)
    with step("the right code"):
        shape(anyone.reset_password_by_code(ada.email, code, new), DETAIL)
        ada.password = new
        alive(world.sign_in(ada))
    with step("the code works once"):
        refused((400, 401, 422), anyone.reset_password_by_code, ada.email, code, world.password())


def change_email(world):
    step, anyone = world.step, world.client()
    ada = world.person("move")
    client, other = world.sign_in(ada), world.sign_in(ada)
    client.elevate(ada.password)
    old, first, second = ada.email, f"moved-{world.run}@example.org", f"again-{world.run}@example.org"
    with step("a bad address: 422"):
        refused(422, client.change_email, "nonsense", field="email")
    with step("asking"):
        mark = world.mailbox.mark()
        answer = shape(client.change_email(first), DETAIL)
        mail = world.mailbox.wait(first, mark, "/change-email/")
        uid, token = mail.link("change-email")
    with step("nothing changes before the new address has confirmed"):
        equal(client.profile()["email"], old, "email")
        alive(world.sign_in(ada))
    with step("a made-up link"):
        refused(REFUSED_LINK, anyone.confirm_email, uid, "A" * len(token))
    with step("confirming by link"):
        shape(anyone.confirm_email(uid, token), DETAIL)
        ada.email = first
        client = world.sign_in(ada)
        equal(client.profile()["email"], first, "email")
        equal(client.profile()["email_verified"], True, "email_verified")
    with step("the old address signs nobody in, and has been told"):
        refused(401, anyone.sign_in, old, ada.password)
        world.mailbox.wait(old, mark, "address")
    with step("the other sessions are over"):
        dead(other)
    with step("the link works once"):
        refused(REFUSED_LINK, anyone.confirm_email, uid, token)
    with step("confirming by code"):
        client.elevate(ada.password)
        mark = world.mailbox.mark()
        client.change_email(second)
        code = world.mailbox.wait(second, mark, "/change-email/").code()
        refused((400, 401, 422), client.confirm_email_by_code, f"{(int(code) + 1) % 1_000_000:06}")
        shape(client.confirm_email_by_code(code), DETAIL)
        ada.email = second
        equal(world.sign_in(ada).profile()["email"], second, "email")
    with step("this session lives on after the code, with a token that says the new address"):
        client.refresh()
        equal(client.me()["email"], second, "email")
    with step("an address that somebody has: the same answer"):
        client = world.sign_in(ada)
        client.elevate(ada.password)
        equal(client.change_email(world.operator.email), answer, "the answer")
        equal(client.profile()["email"], second, "email")


def fields(value):
    """The names of all fields with a text in a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) or (isinstance(inner, list) and any(isinstance(item, str) for item in inner)):
                yield name
            yield from fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner)


def export(world):
    step = world.step
    ada = world.person("export")
    client = world.sign_in(ada)
    client.elevate(ada.password)
    with step("one document with the own data"):
        document = client.export()
        text = str(document)
        expect(ada.email in text and ada.name in text and client.user["id"] in text, "id, name or address is missing")
    with step("nothing secret in it"):
        found = [name for name in fields(document) if HIDDEN.search(name)]
        equal(found, [], "fields with a secret's name")
    with step("nothing of others in it"):
        expect(world.operator.email not in text, "the operator's address is in it")


def deletion(world):
    step, anyone = world.step, world.client()
    ada = world.person("delete")
    client, other = world.sign_in(ada), world.sign_in(ada)
    client.elevate(ada.password)
    with step("deleting the own account"):
        mark = world.mailbox.mark()
        shape(client.delete_account(), {"detail": str, "deletes_at": TIME})
    with step("every session is over"):
        dead(client)
        dead(other)
    with step("nobody signs in"):
        refused((401, 403), anyone.sign_in, ada.email, ada.password)
    with step("a mail with a link to undo it"):
        uid, token = world.mailbox.wait(ada.email, mark, "/undo-deletion/").link("undo-deletion")
    with step("a made-up link"):
        refused(REFUSED_LINK, anyone.undo_deletion, uid, "A" * len(token))
    with step("undone"):
        shape(anyone.undo_deletion(uid, token), DETAIL)
        equal(world.sign_in(ada).me()["email"], ada.email, "email")
    with step("the link works once"):
        refused(REFUSED_LINK, anyone.undo_deletion, uid, token)
