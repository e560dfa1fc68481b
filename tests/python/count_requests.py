"""How many requests other people's parsers find in the bytes of connections.

Reads a JSON list of base64 texts, one for each connection, and writes for each parser a list of counts, with the
reason where it found something that is no request.
"""

import base64
import http.client
import io
import json
import sys
from http.server import BaseHTTPRequestHandler

import h11
from werkzeug.serving import DechunkedInput


# Both have limits of their own, below the gateway's.
LONGEST_HEAD = 1 << 20
http.client._MAXHEADERS = 1000


def by_h11(data):
    """Pipelined requests of one connection, each answered at once."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
    if data:
        connection.receive_data(data)
    connection.receive_data(b"")
    count = 0
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            count += 1
        elif isinstance(event, h11.ConnectionClosed):
            return count
        elif event is h11.PAUSED or event is h11.NEED_DATA:
            raise ValueError("left-over bytes")
        elif isinstance(event, h11.EndOfMessage):
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()


class Server(BaseHTTPRequestHandler):
    """The standard library's server over bytes in memory."""

    protocol_version = "HTTP/1.1"

    def __init__(self, data):
        self.rfile, self.wfile = io.BytesIO(data), io.BytesIO()
        self.client_address, self.server = ("memory", 0), None
        self.close_connection = False
        self.count = 0

    def run(self):
        while True:
            at = self.rfile.tell()
            self.handle_one_request()
            if self.rfile.tell() == at:
                return self.count

    def serve(self):
        self.count += 1
        length = self.headers.get("content-length")
        if length is not None:
            if len(self.rfile.read(int(length))) < int(length):
                raise ValueError("a body that is too short")
        elif "chunked" in self.headers.get("transfer-encoding", ""):
            DechunkedInput(self.rfile).read()
        self.close_connection = False

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

    def send_error(self, code, message=None, explain=None):
        raise ValueError(f"{code} {message}")

    def log_message(self, *args):
        pass


def count(parser, data):
    try:
        return parser(data)
    except Exception as e:  # whatever it says, it is a verdict
        return f"{type(e).__name__}: {e}"


def main():
    wires = [base64.b64decode(text) for text in json.load(sys.stdin)]
    parsers = {"h11": by_h11, "http.server": lambda data: Server(data).run()}
    json.dump({name: [count(parser, data) for data in wires] for name, parser in parsers.items()}, sys.stdout)


main()
