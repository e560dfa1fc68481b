"""Flows of journey.py: from registration to signing out, and what guards the door."""

import base64
import time

import jwt

from checks import UUID, Failed, equal, expect, refused, shape
from client import ChallengeDue, Problem

USER = {"id": UUID, "email": str, "name": str, "roles": [str], "permissions": [str]}
TOKENS = {"access": str, "refresh": str, "token_type": str, "expires_in": int, "user": USER}
DETAIL = {"detail": str}
CLAIMS = {
    "iss": str, "aud": str, "sub": UUID, "sid": UUID, "jti": str, "iat": int, "nbf": int, "exp": int,
    "auth_time": int, "amr": [str], "roles": [str], "permissions": [str], "email": str, "email_verified": bool,
    "name": str,
}  # fmt: skip


def claims(client, world):
    """The claims of the access token, verified with the published keys as any resource server would."""
    header = jwt.get_unverified_header(client.access)
    published = {key["kid"]: key for key in client.keys()["keys"]}
    expect(header["kid"] in published, "kid is not among the published keys")
    key = jwt.PyJWK(published[header["kid"]])
    return jwt.decode(
        client.access, key, algorithms=[key.algorithm_name], audience="stagedoor", issuer=world.public_url, leeway=5
    )


def same_refusal(one, other):
    """Two refusals that must not be told apart, but for the id of the request."""
    hidden = ("request_id", "instance")
    bare = [{k: v for k, v in problem.body.items() if k not in hidden} for problem in (one, other)]
    equal(bare[1], bare[0], "the second refusal")
    equal(other.status, one.status, "its status")


def dead(client):
    """Neither token of a caller works any more."""
    refused(401, client.ask, "GET", "/me/", bearer=client.access)
    if client.refresh_token:
        refused(401, client.ask, "POST", "/token/refresh/", {"refresh": client.refresh_token})


def alive(client):
    shape(client.me(), {"id": UUID, "email": str})


def registration(world):
    step, anyone = world.step, world.client()
    with step("every bad field is named"):
        problem = refused(422, anyone.register, "", "nonsense", "short", "other")
        expect({"name", "email", "password"} <= set(problem.errors), f"errors name {sorted(problem.errors)} only")
    someone = world.stranger("bad")
    with step("passwords that differ"):
        refused(422, anyone.register, "Ada", someone.email, someone.password, "Other-1!aaaa", field="password_confirm")
    with step("every broken rule of the password is named"):
        problem = refused(422, anyone.register, "Ada", someone.email, "aaaaaaaaa", field="password")
        expect(len(problem.errors["password"]) >= 3, f"upper, digit, special: {problem.errors['password']}")
    for what, password in [
        ("common", "Password1!"),
        ("with the name in it", "Xy7!Lovelace-Ada"),
        ("with the address in it", f"Xy7!bad-{world.run}"),
        ("too long", "Aa1!" + "x" * 260),
    ]:
        with step(f"a password {what}"):
            refused(422, anyone.register, someone.name, someone.email, password, field="password")
    for role in ("admin", "no-such-role"):
        with step(f"the role {role} cannot be picked"):
            refused(422, anyone.register, someone.name, someone.email, someone.password, role=role, field="role")
    with step("unknown fields are refused"):
        refused((400, 422), anyone.register, someone.name, someone.email, someone.password, is_admin=True)
    with step("a new address"):
        fresh = shape(anyone.register(someone.name, someone.email, someone.password), DETAIL)
    with step("an address with an account gets the same answer"):
        mark = world.mailbox.mark()
        equal(anyone.register("Eve", world.operator.email, world.password()), fresh, "the answer")
    with step("and its owner a mail without a link to activate"):
        mail = world.mailbox.wait(world.operator.email, mark)
        expect("/verify-email/" not in mail.text, "the mail offers to activate")
        world.sign_in(world.operator)


def activation(world):
    step, anyone = world.step, world.client()
    ada, mark = world.stranger("link"), world.mailbox.mark()
    anyone.register(ada.name, ada.email, ada.password)
    with step("a mail with a link on the public address and a code"):
        mail = world.mailbox.wait(ada.email, mark, "/verify-email/")
        expect(f"{world.public_url}/auth/verify-email/" in mail.text, "the link does not begin with the public URL")
        mail.code()
        uid, token = mail.link("verify-email")
    with step("not activated: 403 after the right password"):
        refused(403, anyone.sign_in, ada.email, ada.password)
    with step("not activated: 401 after a wrong one"):
        refused(401, anyone.sign_in, ada.email, "Wrong-1!pass")
    with step("opening the link activates nobody"):
        page = anyone.send("GET", "/verify-email/{uid}/{token}/", uid=uid, token=token, headers={"Accept": "text/html"})
        equal(page.status_code, 200, "status")
        refused(403, anyone.sign_in, ada.email, ada.password)
    with step("a made-up link"):
        refused((400, 401, 404, 410, 422), anyone.activate, uid, "A" * len(token))
    with step("posting to the link activates"):
        mark = world.mailbox.mark()
        shape(anyone.activate(uid, token), DETAIL)
        shape(world.sign_in(ada).me(), {"email": str})
    with step("a welcome mail"):
        world.mailbox.wait(ada.email, mark, "welcome")
    with step("the link works once"):
        refused((400, 401, 404, 409, 410, 422), anyone.activate, uid, token)

    bob, mark = world.stranger("code"), world.mailbox.mark()
    anyone.register(bob.name, bob.email, bob.password)
    first = world.mailbox.wait(bob.email, mark, "/verify-email/")
    with step("another mail on request, the same answer for everybody"):
        mark = world.mailbox.mark()
        answer = shape(anyone.resend_activation(bob.email), DETAIL)
        equal(anyone.resend_activation(world.stranger("nobody").email), answer, "the answer for an unknown address")
        second = world.mailbox.wait(bob.email, mark, "/verify-email/")
    with step("only the newest link counts"):
        refused((400, 401, 404, 409, 410, 422), anyone.activate, *first.link("verify-email"))
    with step("a wrong code"):
        wrong = f"{(int(second.code()) + 1) % 1_000_000:06}"
        problem = refused((400, 401, 422), anyone.activate_by_code, bob.email, wrong)
        unknown = refused((400, 401, 422), anyone.activate_by_code, world.stranger("nobody").email, wrong)
        same_refusal(problem, unknown)
    with step("the code activates"):
        shape(anyone.activate_by_code(bob.email, second.code()), DETAIL)
        alive(world.sign_in(bob))


def signing_in(world):
    step, anyone = world.step, world.client()
    ada = world.person("enter")
    with step("wrong password and unknown address: the same 401"):
        wrong = refused(401, anyone.sign_in, ada.email, "Wrong-1!pass")
        same_refusal(wrong, refused(401, anyone.sign_in, world.stranger("nobody").email, "Wrong-1!pass"))
    with step("the right password gives tokens and who it is"):
        answer = shape(anyone.sign_in(ada.email, ada.password), TOKENS)
        equal(answer["token_type"], "Bearer", "token_type")
        equal(answer["user"]["email"], ada.email, "email")
        equal(answer["user"]["name"], ada.name, "name")
        equal(answer["user"]["roles"], ["participant"], "roles")
    with step("the address may be written in capitals"):
        world.client().sign_in(ada.email.upper(), ada.password)
    with step("tokens are not to be stored by caches"):
        response = anyone.send("POST", "/token/", body={"email": ada.email, "password": ada.password})
        expect("no-store" in response.headers.get("Cache-Control", ""), "no Cache-Control: no-store")
    with step("without a bearer: 401 with WWW-Authenticate"):
        problem = refused(401, world.client().me)
        expect("WWW-Authenticate" in problem.response.headers, "WWW-Authenticate is missing")
    for garbage in ("garbage", "a.b.c", anyone.access[:-4] + "AAAA", anyone.refresh_token):
        with step(f"a bearer that is none ({garbage[:7]}…): 401"):
            refused(401, anyone.ask, "GET", "/me/", bearer=garbage)
    with step("me: the principal"):
        shape(anyone.me(), USER)
        equal(anyone.me()["id"], answer["user"]["id"], "id")
    with step("the trailing slash is optional"):
        equal(anyone.ask("GET", "/me", bearer=anyone.access), anyone.me(), "the answer")


def tokens(world):
    step = world.step
    client = world.sign_in(world.person("token"))
    with step("the published keys have nothing private"):
        for key in shape(client.keys(), {"keys": [{"kid": str, "kty": str, "alg": str, "use": str}]})["keys"]:
            expect(not set(key) & {"d", "p", "q", "dp", "dq", "qi", "k"}, "a private member")
    with step("the access token verifies with PyJWT"):
        said = shape(claims(client, world), CLAIMS, "claims")
        header = jwt.get_unverified_header(client.access)
        equal(header["typ"], "at+jwt", "typ")
        equal(said["sub"], client.user["id"], "sub")
        equal(said["amr"], ["pwd"], "amr")
        equal(said["roles"], client.user["roles"], "roles")
        equal(said["permissions"], client.user["permissions"], "permissions")
        expect(said["email_verified"] is True, "email_verified is not true")
        expect(abs(said["auth_time"] - time.time()) < 60, "auth_time is not now")
        expect(0 < said["exp"] - said["iat"] <= 3600 and said["nbf"] <= said["iat"] + 5, "the life of the token")
    with step("alg none is refused"):
        none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
        refused(401, client.ask, "GET", "/me/", bearer=f"{none}.{client.access.split('.')[1]}.")
    with step("refreshing rotates"):
        parent, access = client.refresh_token, client.access
        shape(client.refresh(), {"access": str, "refresh": str, "expires_in": int})
        expect(client.refresh_token != parent, "the same refresh token")
        expect(client.access != access, "the same access token")
        equal(claims(client, world)["sid"], said["sid"], "sid after a refresh")
        equal(claims(client, world)["auth_time"], said["auth_time"], "auth_time after a refresh")
        alive(client)
    with step("within the window the predecessor gets the same child"):
        again = client.ask("POST", "/token/refresh/", {"refresh": parent})
        equal(again["refresh"] == client.refresh_token, True, "whether it is the same")
    with step("the child is good for the next"):
        client.refresh()
        alive(client)
    for garbage in ("garbage", parent[:-3] + "AAA", client.access):
        with step(f"a refresh token that is none ({garbage[:7]}…): 401"):
            refused(401, client.ask, "POST", "/token/refresh/", {"refresh": garbage})
    with step("and the sign-in has survived that"):
        client.refresh()
        alive(client)


def signing_out(world):
    step = world.step
    ada = world.person("leave")
    one, two, three = world.sign_in(ada), world.sign_in(ada), world.sign_in(ada)
    with step("by the refresh token alone, without a bearer"):
        equal(one.ask("POST", "/logout/", {"refresh": one.refresh_token}), None, "the answer")
        dead(one)
    with step("again, and it is still 204"):
        one.ask("POST", "/logout/", {"refresh": one.refresh_token})
        one.ask("POST", "/logout/", {"refresh": one.refresh_token}, bearer=one.access)
    with step("with nothing at all, and with garbage"):
        one.ask("POST", "/logout/", {})
        one.ask("POST", "/logout/", {"refresh": "garbage"})
    with step("the others live on"):
        alive(two)
    with step("all devices"):
        two.ask("POST", "/logout/", {"all": True}, bearer=two.access)
        dead(two)
        dead(three)
    with step("with a bearer alone"):
        four = world.sign_in(ada)
        four.ask("POST", "/logout/", {}, bearer=four.access)
        dead(four)
    with step("Clear-Site-Data"):
        response = world.client().send("POST", "/logout/", body={})
        expect("Clear-Site-Data" in response.headers, "the field is missing")


def cookies(world):
    step = world.step
    ada = world.person("cookie")
    browser = world.client(cookies=True)
    with step("signing in with cookies"):
        response = browser.send(
            "POST", "/token/", body={"email": ada.email, "password": ada.password, "session": "cookie"}
        )
        equal(response.status_code, 200, "status")
        shape(response.json(), {"user": USER})
        lines = response.raw.headers.getlist("Set-Cookie")
        expect(len(lines) >= 2, f"{len(lines)} cookies")
        for line in lines:
            attributes = {part.strip().lower() for part in line.split(";")[1:]}
            expect({"httponly", "samesite=lax", "path=/"} <= attributes, f"attributes: {sorted(attributes)}")
            expect(not any(a.startswith("domain") for a in attributes), "a Domain attribute")
            secure = world.public_url.startswith("https:")
            equal("secure" in attributes, secure, "Secure")
            equal(line.startswith("__Host-"), secure, "the __Host- prefix")
    with step("the body does not repeat what is in the cookies"):
        for cookie in browser.http.cookies:
            expect(cookie.value not in response.text, f"the value of {cookie.name} is in the body")
    with step("cookies are enough to read"):
        equal(browser.me()["email"], ada.email, "email")
    edit = {"name": "Ada Byron"}
    for what, headers in [
        ("another Origin", {"Origin": "https://evil.example"}),
        ("Origin null", {"Origin": "null"}),
        ("neither Origin nor Sec-Fetch-Site", {"Origin": None}),
        ("Sec-Fetch-Site: cross-site", {"Sec-Fetch-Site": "cross-site"}),
        ("Sec-Fetch-Site: same-site", {"Sec-Fetch-Site": "same-site"}),
    ]:
        with step(f"a change with {what}: 403"):
            refused(403, browser.ask, "PATCH", "/profile/", edit, headers=headers)
    with step("nothing was changed by them"):
        equal(browser.profile()["name"], ada.name, "name")
    with step("a change from our own origin"):
        equal(browser.edit_profile(**edit)["name"], edit["name"], "name")
        same = {"Origin": None, "Sec-Fetch-Site": "same-origin"}
        browser.ask("PATCH", "/profile/", {"name": ada.name}, headers=same)
    with step("a bearer needs none of this"):
        world.sign_in(ada).edit_profile(**edit)
    with step("two credentials that differ: 401"):
        other = world.sign_in(ada)
        refused(401, browser.ask, "GET", "/me/", bearer=other.access)
    with step("signing out clears the cookies"):
        response = browser.send("POST", "/logout/", body={})
        equal(response.status_code, 204, "status")
        cleared = response.raw.headers.getlist("Set-Cookie")
        expect(len(cleared) >= 2, f"{len(cleared)} cookies are cleared")
        expect("Clear-Site-Data" in response.headers, "no Clear-Site-Data")
        refused(401, browser.me)


def fail(world, person, times, client=None):
    """So many wrong tries; the last answer."""
    client = client or world.client()
    for _ in range(times):
        last = refused((401, 423), client.sign_in, person.email, "Wrong-1!pass")
    return last


def lockout(world):
    step = world.step
    ada = world.person("locked")
    open_one, known = world.sign_in(ada), world.sign_in(ada, cookies=True)
    with step("four wrong tries do not lock"):
        equal(fail(world, ada, 4).status, 401, "status")
        world.sign_in(ada)
    mark = world.mailbox.mark()
    with step("five do: 423 for the right and a wrong password alike"):
        fail(world, ada, 5)
        right = refused(423, world.client().sign_in, ada.email, ada.password)
        wrong = refused(423, world.client().sign_in, ada.email, "Wrong-1!pass")
        same_type = right.type == wrong.type and right.title == wrong.title
        expect(same_type, f"{right.body} and {wrong.body} can be told apart")
    with step("an unknown address locks alike"):
        nobody = world.stranger("nobody-locked")
        fail(world, nobody, 5)
        problem = refused(423, world.client().sign_in, nobody.email, nobody.password)
        equal(problem.type, right.type, "type")
    with step("open sessions live on"):
        alive(open_one)
        open_one.refresh()
    with step("a device that signed in before has its own counter"):
        known.sign_in(ada.email, ada.password)
    with step("the owner gets a mail with a link"):
        uid, token = world.mailbox.wait(ada.email, mark, "/unlock/").link("unlock")
    with step("a made-up link unlocks nothing"):
        refused((400, 401, 404, 410, 422), world.client().unlock, uid, "A" * len(token))
        refused(423, world.client().sign_in, ada.email, ada.password)
    with step("the link unlocks"):
        shape(world.client().unlock(uid, token), DETAIL)
        world.sign_in(ada)


def not_me(world):
    step = world.step
    ada = world.person("notme")
    world.sign_in(ada)
    mark = world.mailbox.mark()
    intruder = world.sign_in(ada)
    with step("a sign-in from a new device mails the owner"):
        uid, token = world.mailbox.wait(ada.email, mark, "/not-me/").link("not-me")
    with step("a made-up link does nothing"):
        refused((400, 401, 404, 410, 422), world.client().not_me, uid, "A" * len(token))
        alive(intruder)
    with step("the link ends the sessions"):
        mark = world.mailbox.mark()
        shape(world.client().not_me(uid, token), DETAIL)
        dead(intruder)
    with step("and the old password opens nothing"):
        try:
            world.sign_in(ada)
        except (Problem, ChallengeDue) as error:
            expect(isinstance(error, Problem) and error.status in (401, 403, 423), f"answered {error}")
        else:
            raise Failed("signed in with the old password")
    with step("until it is set anew"):
        time.sleep(2)  # a reset mail that came with the link is not the one waited for
        mark = world.mailbox.mark()
        world.client().forgot_password(ada.email)
        uid, token = world.mailbox.wait(ada.email, mark, "/password-reset/").link("password-reset")
        ada.password = world.password()
        world.client().reset_password(uid, token, ada.password)
        alive(world.sign_in(ada))
