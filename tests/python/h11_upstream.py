"""An upstream on h11 that says what it has read of each request: one line of JSON on standard output for each that came
whole, and the same as the answer. Prints its port as the first line.

    h11_upstream.py [PORT]
"""

import json
import socket
import sys
import threading

import h11

SAYING = threading.Lock()


def read_one(connection: h11.Connection, stream: socket.socket) -> tuple[h11.Request, bytes] | None:
    """The next request, once its body is whole; nothing when the client has gone."""
    request, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
                stream.sendall(connection.send(go_on))
            connection.receive_data(stream.recv(65536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, body
        else:
            return None


def answer(connection: h11.Connection, stream: socket.socket, status: int, text: bytes, head_only: bool) -> None:
    """One whole answer."""
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
    out = connection.send(h11.Response(status_code=status, headers=headers)) or b""
    if not head_only:
        out += connection.send(h11.Data(data=text)) or b""
    stream.sendall(out + (connection.send(h11.EndOfMessage()) or b""))


def serve(stream: socket.socket, port: int) -> None:
    """All requests of one connection."""
    connection = h11.Connection(h11.SERVER)
    try:
        while (both := read_one(connection, stream)) is not None:
            request, body = both
            hosts = [value.decode("latin-1") for name, value in request.headers if name == b"host"]
            said = json.dumps({
                "connection": port,
                "method": request.method.decode("latin-1"),
                "target": request.target.decode("latin-1"),
                "host": "|".join(hosts),
                "body": body.decode("latin-1"),
            })
            with SAYING:
                print(said, flush=True)
            answer(connection, stream, 200, said.encode(), request.method == b"HEAD")
            if connection.our_state is h11.MUST_CLOSE:
                return
            connection.start_next_cycle()
    except h11.RemoteProtocolError as e:
        if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer(connection, stream, e.error_status_hint, b"refused", False)
    except (OSError, h11.LocalProtocolError):
        pass
    finally:
        stream.close()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    while True:
        stream, (_, port) = listener.accept()
        threading.Thread(target=serve, args=(stream, port), daemon=True).start()


if __name__ == "__main__":
    main()
