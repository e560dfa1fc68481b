"""Flows of journey.py: limits, requests that are none, the description of the API, and what was seen on the way."""

import json
import re

from checks import equal, expect, raw_problem, refused, shape

# How often a session may refresh within a minute (see the notes in journey.py).
REFRESHES = 25


def limits(world):
    step, anyone = world.step, world.client()
    ada = world.person("limit")
    with step("the fourth reset of an account within the hour gets the same answer and no mail"):
        answers, links = [], []
        for _ in range(3):
            mark = world.mailbox.mark()
            answers.append(anyone.forgot_password(ada.email))
            links.append(world.mailbox.wait(ada.email, mark, "/password-reset/").link("password-reset"))
        answers.append(anyone.forgot_password(ada.email))
        equal([answer for answer in answers if answer != answers[0]], [], "other answers")
        # Only the newest link counts: the third still does, so there is no fourth.
        new = world.password()
        shape(anyone.reset_password(*links[-1], new), {"detail": str})
        ada.password = new
    with step("refreshing without an end: 429"):
        client = world.sign_in(ada)
        for _ in range(REFRESHES):
            client.refresh()
        problem = refused(429, client.refresh, kind="rate-limited")
    with step("Retry-After, RateLimit and RateLimit-Policy say when"):
        fields = problem.response.headers
        state = re.fullmatch(r'"([^"]+)";r=0;t=(\d+)', fields["RateLimit"].replace(" ", ""))
        expect(state, f"RateLimit: {fields['RateLimit']}")
        policies = re.findall(r'"([^"]+)";q=(\d+);w=(\d+)', fields["RateLimit-Policy"].replace(" ", ""))
        expect(state[1] in [policy[0] for policy in policies], f"RateLimit-Policy: {fields['RateLimit-Policy']}")
        expect((state[1], str(REFRESHES), "60") in policies, f"the quota: {policies}")
        expect(int(state[2]) <= problem.retry_after <= 60, "Retry-After before the quota is free")
    with step("other sessions are not held up by it"):
        world.sign_in(ada).refresh()


def refused_requests(world):
    step = world.step
    ada = world.person("shape")
    client = world.sign_in(ada)
    root, credentials = client.root, {"email": ada.email, "password": ada.password}

    def post(path, **more):
        return client.http.post(root + path, timeout=30, **more)

    json_type = {"Content-Type": "application/json"}
    with step("no JSON"):
        raw_problem(400, post("/token/", data=b"{", headers=json_type))
    with step("another content type: 415"):
        raw_problem(415, post("/token/", data=b"{}", headers={"Content-Type": "text/plain"}))
        # Not where a page is at the same path: a form is for the page.
        raw_problem(415, post("/token/resend-otp/", data={"challenge": "x"}))
    with step("a body above 16 KiB: 413"):
        raw_problem(413, post("/token/", data=b'{"email":"' + b"a" * 17000 + b'"}', headers=json_type))
    with step("wrong types and missing fields"):
        for body in ({}, {"email": 1, "password": 2}, [], "text", None, {"email": ada.email}):
            response = post("/token/", data=json.dumps(body), headers=json_type)
            raw_problem((400, 422), response)
    with step("unknown fields are refused everywhere"):
        for path, body in [("/token/", credentials), ("/logout/", {}), ("/password-reset/", {"email": ada.email})]:
            response = post(path, json=body | {"surprise": 1})
            raw_problem((400, 422), response)
    with step("another method: 405"):
        raw_problem(405, client.http.get(root + "/token/refresh/", headers={"Accept": "application/json"}))
        raw_problem(405, client.http.delete(root + "/me/", headers={"Accept": "application/json"}))
    with step("a path that is none: 404"):
        raw_problem(404, client.http.get(root + "/nothing/", headers={"Accept": "application/json"}))
    with step("a bootstrap token that is none"):
        none = client.http.get(root + "/nothing-here/", headers={"Accept": "application/json"}).json()["type"]
        new = world.stranger("bootstrap")
        statuses = (400, 401, 403, 404, 409, 410, 422)
        tried = refused(statuses, client.bootstrap, "A" * 43, new.name, new.email, new.password)
        expect(tried.type != none, "the same answer as for a path that is none")
    with step("two Authorization fields, and schemes that are none: never a person"):
        for value in (f"Basic {client.access}", client.access, "Bearer", f"Bearer {client.access} {client.access}"):
            raw_problem(401, client.send("GET", "/me/", headers={"Authorization": value}))


def operations(document):
    """(method, path below the prefix with its names emptied) -> statuses named for it."""
    servers = [server["url"] for server in document.get("servers", [])] or [""]
    bases = [re.sub(r"^https?://[^/]+", "", url).rstrip("/") for url in servers]
    known = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                for base in bases:
                    known[(method.upper(), plain(base + path))] = set(operation["responses"])
    return known


def plain(path):
    path = re.sub(r"\{[^}]*\}", "{}", path).rstrip("/")
    return path.removeprefix("/auth")


def description(world):
    step, anyone = world.step, world.client()
    with step("the document"):
        document = anyone.openapi()
        shape(document, {"openapi": str, "info": {"title": str, "version": str}, "paths": dict})
        known = operations(document)
    with step("names every operation that the journey called"):
        # The wrong methods and paths of "refused requests" were sent past the watch.
        called = {(method, path): (method, plain(path)) for method, path in world.watch.called}
        missing = sorted(f"{method} {path}" for (method, path), operation in called.items() if operation not in known)
        # HTML pages are no part of the API.
        missing = [name for name in missing if name != "GET /verify-email/{uid}/{token}/"]
        equal(missing, [], "what is not in it")
    with step("names every status that was answered"):
        missing = []
        for (method, path), statuses in world.watch.called.items():
            said = known.get((method, plain(path)))
            if said is not None and "default" not in said:
                missing += [f"{method} {path} {status}" for status in statuses if str(status) not in said]
        equal(sorted(missing), [], "what is not in it")
    with step("the journey called every operation that it names"):
        called = {(method, plain(path)) for method, path in world.watch.called}
        missing = sorted(f"{method} {path}" for method, path in set(known) - called)
        # For proxies that ask; not called by programs.
        missing = [name for name in missing if not name.endswith(("/verify", "/verify-email/{}/{}"))]
        equal(missing, [], "what the journey leaves out")
    with step("every operation has an id of its own, a summary or description, and a tag"):
        verbs = ("get", "post", "put", "patch", "delete")
        every = [item[verb] for item in document["paths"].values() for verb in verbs if verb in item]
        ids = [operation.get("operationId") for operation in every]
        expect(all(ids) and len(set(ids)) == len(ids), "operationId is missing or not unique")
        expect(all(o.get("tags") and (o.get("summary") or o.get("description")) for o in every), "words are missing")


def secrecy(world):
    step = world.step
    with step("no answer held a secret that it does not exist to deliver"):
        equal(sorted(set(world.watch.leaks))[:5], [], "leaks")
    with step("one type of problem, one status"):
        several = {name: sorted(statuses) for name, statuses in world.watch.types.items() if len(statuses) > 1}
        equal(several, {}, "types with several")
    with step("wrong, not activated, locked and limited have types of their own"):
        by_status = {}
        for name, statuses in world.watch.types.items():
            for status in statuses:
                by_status.setdefault(status, set()).add(name)
        missing = [status for status in (401, 403, 423, 429) if status not in by_status]
        equal(missing, [], "statuses that were never seen")
