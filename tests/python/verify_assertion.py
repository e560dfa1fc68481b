"""Checks an X-Auth-Assertion the way docs/upstreams.md tells developers to, with PyJWT and the gateway's
published keys, and prints its claims as JSON. Knows nothing of Stagedoor's own code.

    verify_assertion.py JWKS_URL AUDIENCE ISSUER < assertion

Exit code: 0 believed, 1 not believed (the reason is on standard error), 3 PyJWT is missing.
"""

import json
import sys

try:
    import jwt
    from jwt import PyJWKClient
except ImportError:
    print("PyJWT is missing: pip install -r tests/python/requirements.txt", file=sys.stderr)
    sys.exit(3)

ALGORITHMS = {"EC": "ES256", "OKP": "EdDSA", "RSA": "RS256"}
REQUIRED = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time", "amr", "roles", "permissions"]


def verified(token: str, jwks_url: str, audience: str, issuer: str) -> dict:
    key = PyJWKClient(jwks_url, cache_keys=False).get_signing_key_from_jwt(token)
    # What the key is for decides the algorithm, never the token.
    algorithm = ALGORITHMS[key.key_type]
    claims = jwt.decode_complete(
        token,
        key.key,
        algorithms=[algorithm],
        audience=audience,
        issuer=issuer,
        leeway=5,
        options={"require": REQUIRED, "strict_aud": True},
    )
    if claims["header"].get("typ") != "assertion+jwt":
        raise jwt.InvalidTokenError("typ is not assertion+jwt")
    payload = claims["payload"]
    if not 0 < payload["exp"] - payload["iat"] <= 60:
        raise jwt.InvalidTokenError("an assertion lives for at most 60 s")
    return payload


def main() -> int:
    jwks_url, audience, issuer = sys.argv[1:4]
    token = sys.stdin.read().strip()
    try:
        claims = verified(token, jwks_url, audience, issuer)
    except (jwt.PyJWTError, KeyError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(claims))
    return 0


if __name__ == "__main__":
    sys.exit(main())
