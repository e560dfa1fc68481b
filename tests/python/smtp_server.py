"""An SMTP server that misbehaves on request, on aiosmtpd, which knows nothing of our code.

    smtp_server.py PORT MODE [--tls starttls|implicit --cert FILE --key FILE] [--login USER:PASSWORD]

MODE is what happens to mails:
  take           they are taken
  refuse-rcpt    550 to every RCPT           later-rcpt   450 to every RCPT
  refuse-data    554 after the mail          later-data   451 after the mail
  refuse-sender  550 to every MAIL
  cut            taken, but the connection is cut before the answer; every second time
  mute           connections are accepted and nothing is ever said
  slow           the answer to a mail takes three seconds

One JSON line is printed for each mail that was received whole, and for each thing that was told to go away; the first
line is the port.
"""

import argparse
import asyncio
import json
import ssl
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def say(what):
    """One line, all at once: the reader waits for it."""
    sys.stdout.write((what if isinstance(what, str) else json.dumps(what)) + "\n")
    sys.stdout.flush()


def decoded(raw):
    """What a mail program would show, next to the bytes as they came."""
    mail = message_from_bytes(raw, policy=policy.default)
    body = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    return {
        "headers": [[name, str(value)] for name, value in mail.items()],
        "text": body.get("text/plain", ""),
        "html": body.get("text/html", ""),
        "raw": raw.decode("ascii", "backslashreplace"),
    }


class Handler:
    """Answers in the way the mode wants."""

    def __init__(self, mode):
        self.mode = mode
        self.mails = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.mode == "refuse-sender":
            say({"refused": "MAIL"})
            return "550 we do not take mail from you"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode in ("refuse-rcpt", "later-rcpt"):
            say({"refused": "RCPT", "to": [address]})
            return "550 nobody of that name" if self.mode == "refuse-rcpt" else "450 try again later"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        seen = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "login": session.authenticated,
            "hello": session.host_name,
        }
        say(seen | decoded(envelope.original_content))
        self.mails += 1
        if self.mode in ("refuse-data", "later-data"):
            return "554 we do not like it" if self.mode == "refuse-data" else "451 try again later"
        if self.mode == "cut" and self.mails % 2 == 1:
            server.transport.abort()
            await asyncio.sleep(0)
        if self.mode == "slow":
            await asyncio.sleep(3)
        return "250 taken"


def context(args):
    """The certificate we show; `None` without TLS."""
    if not args.tls:
        return None
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(args.cert, args.key)
    return tls


def options(args):
    """How aiosmtpd is to behave."""
    chosen = {"enable_SMTPUTF8": True, "hostname": "mx.test"}
    if args.tls == "starttls":
        chosen |= {"tls_context": context(args), "require_starttls": True}
    if args.login:
        user, password = (part.encode() for part in args.login.split(":", 1))

        def check(server, session, envelope, mechanism, data):
            good = isinstance(data, LoginPassword) and (data.login, data.password) == (user, password)
            return AuthResult(success=good, handled=False)

        chosen |= {"authenticator": check, "auth_required": True, "auth_require_tls": bool(args.tls)}
        if args.tls == "implicit":
            # Encrypted from the first byte, which aiosmtpd cannot see.
            chosen["auth_require_tls"] = False
    return chosen


async def mute(reader, writer):
    """Listens for as long as the other side cares to wait."""
    say({"connected": True})
    await reader.read()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("mode")
    parser.add_argument("--tls", choices=["starttls", "implicit"])
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--login")
    args = parser.parse_args()
    loop, handler = asyncio.get_running_loop(), Handler(args.mode)
    wrapped = context(args) if args.tls == "implicit" else None
    if args.mode == "mute":
        server = await asyncio.start_server(mute, "127.0.0.1", args.port)
    else:
        chosen = options(args)
        server = await loop.create_server(
            lambda: SMTP(handler, loop=loop, **chosen), "127.0.0.1", args.port, ssl=wrapped
        )
    say(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


asyncio.run(main())
