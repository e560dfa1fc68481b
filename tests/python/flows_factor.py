"""Flows of journey.py: second factors, remembered devices, elevation."""

import time

import pyotp

from checks import BASE32_SEED, CODE, RECOVERY_CODE, TIME, Failed, Maybe, equal, expect, refused, shape
from client import ChallengeDue
from flows_sign_in import DETAIL, TOKENS, USER, alive, claims, dead

DEVICE = {
    "id": str,
    "user_agent": str,
    "ip": str,
    "created_at": TIME,
    "last_seen_at": TIME,
    "trusted_until": Maybe(TIME),
    "current": bool,
}
ELEVATED = {"access": str, "token_type": str, "expires_in": int}
STEP = 30  # seconds of a TOTP step


def challenged(client, person):
    """Signs in as far as the second factor."""
    try:
        answer = client.sign_in(person.email, person.password)
    except ChallengeDue as due:
        shape(vars(due), {"challenge": str, "methods": [str], "expires_in": int})
        return due
    raise Failed(f"no second factor was asked for: {sorted(answer)}")


def by_mail(world, client, person):
    """Signs in as far as the mailed code; the challenge and the code.

    People with mailed codes begin every challenge here: a mail nobody waited for would be taken for the next one's.
    """
    mark = world.mailbox.mark()
    due = challenged(client, person)
    return due, world.mailbox.wait(person.email, mark, CODE).code()


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def with_mailed_codes(world, slug):
    """A person with codes by mail switched on, and the session that did it."""
    person = world.person(slug)
    client = world.sign_in(person)
    client.elevate(person.password)
    client.turn_on_mailed_codes()
    return person, client


def mailed_codes(world):
    step, client = world.step, world.client()
    ada = world.person("otp")
    owner, other = world.sign_in(ada), world.sign_in(ada)
    with step("off at first"):
        equal(owner.mailed_codes(), {"enabled": False}, "the answer")
    with step("switched on"):
        owner.elevate(ada.password)
        equal(owner.turn_on_mailed_codes()["enabled"], True, "enabled")
        equal(owner.mailed_codes()["enabled"], True, "enabled when asked again")
        equal(owner.profile()["second_factor"], {"email": True, "totp": False}, "second_factor")
    with step("the other sessions are over"):
        alive(owner)
        dead(other)
    with step("the right password gives a challenge: 202 and no token"):
        mark = world.mailbox.mark()
        response = client.send("POST", "/token/", body={"email": ada.email, "password": ada.password})
        equal(response.status_code, 202, "status")
        due = shape(response.json(), {"challenge": str, "methods": [str], "expires_in": int})
        expect(not {"access", "refresh"} & set(due), "a token before the second factor")
        expect("email" in due["methods"], f"methods: {due['methods']}")
        code = world.mailbox.wait(ada.email, mark, CODE).code()
    with step("the challenge opens nothing else"):
        refused(401, client.ask, "GET", "/me/", bearer=due["challenge"])
        refused(401, client.ask, "POST", "/token/refresh/", {"refresh": due["challenge"]})
    with step("a wrong password gives no challenge"):
        refused(401, world.client().sign_in, ada.email, "Wrong-1!pass")
    with step("a wrong code"):
        refused(401, client.finish_challenge, due["challenge"], wrong(code), kind="wrong-code")
    with step("a made-up challenge"):
        refused(401, client.finish_challenge, "A" * 43, code, kind="invalid-challenge")
    with step("the right code"):
        shape(client.finish_challenge(due["challenge"], code, method="email"), TOKENS)
        said = claims(client, world)
        expect({"pwd", "otp", "mfa"} <= set(said["amr"]), f"amr: {said['amr']}")
    with step("the challenge works once"):
        refused(401, world.client().finish_challenge, due["challenge"], code, kind="invalid-challenge")
    with step("a new code on request; only the newest counts"):
        client = world.client()
        due, first = by_mail(world, client, ada)
        mark = world.mailbox.mark()
        shape(client.resend_code(due.challenge), DETAIL)
        second = world.mailbox.wait(ada.email, mark, CODE).code()
        if first != second:
            refused(401, client.finish_challenge, due.challenge, first, kind="wrong-code")
        client.finish_challenge(due.challenge, second)
        alive(client)
    with step("no code for a made-up challenge"):
        refused(401, world.client().resend_code, "A" * 43, kind="invalid-challenge")
    with step("a code of another challenge is wrong"):
        one, two = world.client(), world.client()
        first_due, first = by_mail(world, one, ada)
        second_due, second = by_mail(world, two, ada)
        if first != second:
            refused(401, two.finish_challenge, second_due.challenge, first, kind="wrong-code")
        two.finish_challenge(second_due.challenge, second)
    with step("recovery codes on request"):
        owner = two
        owner.elevate(ada.password)
        codes = shape(owner.new_recovery_codes(), [RECOVERY_CODE], "recovery_codes")
        equal(len(set(codes)), 10, "how many")
        equal(owner.recovery_codes_left(), 10, "remaining")
        for value in codes:
            world.watch.secret("recovery code", value)
    with step("switched off"):
        equal(owner.turn_off_mailed_codes()["enabled"], False, "enabled")
        alive(world.sign_in(ada))


def remembered_device(world):
    step = world.step
    ada, _ = with_mailed_codes(world, "device")
    browser = world.client(cookies=True)
    with step("remember this device"):
        due, code = by_mail(world, browser, ada)
        shape(browser.finish_challenge(due.challenge, code, remember_device=True), {"user": USER})
        listed = shape(browser.devices(), [DEVICE], "items")
        mine = next(item for item in listed if item["current"])
        expect(mine.get("trusted_until"), "trusted_until is missing")
    with step("it is not asked again, other devices are"):
        browser.sign_in(ada.email, ada.password)
        by_mail(world, world.client(), ada)
    with step("a wrong password is still wrong on it"):
        refused(401, browser.sign_in, ada.email, "Wrong-1!pass")
    with step("forgotten, it is asked again"):
        equal(browser.forget_device(mine["id"]), None, "the answer")
        by_mail(world, browser, ada)
    with step("an unknown device: 404"):
        refused(404, browser.forget_device, "00000000-0000-4000-8000-000000000000")
    with step("all devices forgotten"):
        due, code = by_mail(world, browser, ada)
        browser.finish_challenge(due.challenge, code, remember_device=True)
        equal(browser.forget_devices(), None, "the answer")
        by_mail(world, browser, ada)
    with step("a challenge belongs to the browser that began it"):
        due, code = by_mail(world, browser, ada)
        refused(401, world.client(cookies=True).finish_challenge, due.challenge, code)
        browser.finish_challenge(due.challenge, code)


def early_in_step():
    """Waits when the current TOTP step is about to end."""
    left = STEP - time.time() % STEP
    if left < 8:
        time.sleep(left + 0.2)


def recovery(methods):
    found = [method for method in methods if "recovery" in method]
    expect(found, f"no recovery code among the methods {methods}")
    return found[0]


def totp(world):
    step = world.step
    ada = world.person("totp")
    owner, other = world.sign_in(ada), world.sign_in(ada)
    with step("off at first"):
        equal(owner.totp()["enabled"], False, "enabled")
    with step("enrol: secret, address for the app, picture"):
        owner.elevate(ada.password)
        begun = shape(owner.begin_totp(), {"secret": BASE32_SEED, "uri": str, "qr_svg": str})
        world.watch.secret("TOTP seed", begun["secret"])
        generator = pyotp.parse_uri(begun["uri"])
        equal(generator.secret, begun["secret"], "the secret in the address")
        equal((generator.digits, generator.interval), (6, STEP), "digits and step")
        expect(generator.name == ada.email and generator.issuer, f"label: {generator.issuer}:{generator.name}")
        expect(begun["qr_svg"].lstrip().startswith(("<svg", "<?xml")), "qr_svg is no SVG")
        expect("<script" not in begun["qr_svg"], "a script in the SVG")
    with step("not in force before the first code"):
        equal(owner.totp()["enabled"], False, "enabled")
        alive(world.sign_in(ada))
    with step("a wrong first code"):
        early_in_step()
        refused((400, 401, 422), owner.confirm_totp, wrong(generator.now()))
    with step("the code of the step before is taken as the first"):
        # One step back is accepted, so the current one is left for the sign-in below.
        early_in_step()
        answer = shape(owner.confirm_totp(generator.at(time.time() - STEP)), {"recovery_codes": [RECOVERY_CODE]})
        codes = answer["recovery_codes"]
        equal(len(set(codes)), 10, "how many recovery codes")
        for value in codes:
            world.watch.secret("recovery code", value)
    with step("in force"):
        equal(owner.totp()["enabled"], True, "enabled")
        equal(owner.recovery_codes_left(), 10, "remaining")
    with step("the other sessions are over"):
        alive(owner)
        dead(other)
    with step("the seed is not shown again"):
        expect(begun["secret"] not in str(owner.totp()), "the seed is in the answer")
    with step("signing in with a code"):
        early_in_step()
        client = world.client()
        due = challenged(client, ada)
        expect("totp" in due.methods, f"methods: {due.methods}")
        code = generator.now()
        shape(client.finish_challenge(due.challenge, code, method="totp"), TOKENS)
        expect({"pwd", "otp", "mfa"} <= set(claims(client, world)["amr"]), "amr")
    with step("the same code again is refused"):
        client = world.client()
        due = challenged(client, ada)
        refused(401, client.finish_challenge, due.challenge, code, method="totp", kind="wrong-code")
    with step("a recovery code instead"):
        shape(client.finish_challenge(due.challenge, codes[0], method=recovery(due.methods)), TOKENS)
        equal(client.recovery_codes_left(), 9, "remaining")
    with step("it works once"):
        other = world.client()
        due = challenged(other, ada)
        refused(401, other.finish_challenge, due.challenge, codes[0], method=recovery(due.methods), kind="wrong-code")
    with step("a recovery code in capitals and without its dashes"):
        typed = codes[1].replace("-", "").upper()
        other.finish_challenge(due.challenge, typed, method=recovery(due.methods))
    with step("elevation by TOTP"):
        time.sleep(STEP - time.time() % STEP + 0.2)
        shape(client.elevate(code=generator.now(), method="totp"), ELEVATED)
    with step("new recovery codes end the old ones"):
        fresh = shape(client.new_recovery_codes(), [RECOVERY_CODE], "recovery_codes")
        for value in fresh:
            world.watch.secret("recovery code", value)
        equal(client.recovery_codes_left(), 10, "remaining")
        other = world.client()
        due = challenged(other, ada)
        refused(401, other.finish_challenge, due.challenge, codes[2], method=recovery(due.methods), kind="wrong-code")
        other.finish_challenge(due.challenge, fresh[0], method=recovery(due.methods))
    with step("switched off"):
        equal(client.turn_off_totp(), None, "the answer")
        alive(world.sign_in(ada))
        equal(client.totp()["enabled"], False, "enabled")


def elevation(world):
    step = world.step
    ada = world.person("elevate")
    client = world.sign_in(ada)
    before = claims(client, world)
    with step("a wrong password"):
        refused((401, 403, 422), client.elevate, "Wrong-1!pass")
        alive(client)
    with step("no proof at all, and two at once"):
        refused((400, 422), client.ask, "POST", "/elevate/", {}, bearer=client.access)
        both = {"password": ada.password, "code": "123456"}
        refused((400, 422), client.ask, "POST", "/elevate/", both, bearer=client.access)
    with step("the password gives a newer token of the same session"):
        time.sleep(1.1)
        shape(client.elevate(ada.password), ELEVATED)
        after = claims(client, world)
        equal(after["sid"], before["sid"], "sid")
        expect(after["auth_time"] > before["auth_time"], "auth_time has not moved")
    with step("without a sign-in: 401"):
        refused(401, world.client().ask, "POST", "/elevate/", {"password": ada.password})
    with step("by a mailed code"):
        person, owner = with_mailed_codes(world, "elevatemail")
        mark = world.mailbox.mark()
        shape(owner.elevate(method="email"), {"detail": str, "expires_in": int})
        code = world.mailbox.wait(person.email, mark, CODE).code()
        refused((401, 403, 422), owner.elevate, code=wrong(code), method="email")
        shape(owner.elevate(code=code, method="email"), ELEVATED)
        alive(owner)


def aged_begin(world):
    """Begins a session that `aged_end` finds grown old."""
    with world.step("a session to grow old"):
        person, _ = with_mailed_codes(world, "aged")
        client = world.client()
        due, code = by_mail(world, client, person)
        client.finish_challenge(due.challenge, code)
        world.aged = (person, client, time.time())


def aged_end(world):
    step = world.step
    person, client, begun = world.aged
    left = begun + world.elevation + 2 - time.time()
    if left > 90:
        world.report.line(f"elevation lasts {left:.0f} s more; see --elevation", "skipped")
        return
    time.sleep(max(left, 0))
    for what, call, arguments in [
        ("changing the address", client.change_email, [f"new-{world.run}@example.org"]),
        ("switching a factor off", client.turn_off_mailed_codes, []),
        ("new recovery codes", client.new_recovery_codes, []),
        ("a new factor", client.begin_totp, []),
        ("deleting the account", client.delete_account, []),
    ]:
        with step(f"{what} asks for elevation"):
            refused((401, 403), call, *arguments, kind="elevation-required")
    with step("a refresh does not elevate"):
        client.refresh()
        refused((401, 403), client.turn_off_mailed_codes, kind="elevation-required")
    with step("reading does not ask for it"):
        alive(client)
        client.sessions()
    with step("after the elevation it goes"):
        client.elevate(person.password)
        equal(client.turn_off_mailed_codes()["enabled"], False, "enabled")
