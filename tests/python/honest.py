"""An honest client beside an attack: one request after the other, each on a connection of its own, from an address
that is not the attacker's. Says what came of them as one line of JSON.

    honest.py URL SECONDS [SOURCE_ADDRESS]
"""

import http.client
import json
import sys
import time
from urllib.parse import urlsplit

PAUSE = 0.05
PATIENCE = 10


def ask(host: str, port: int, path: str, source: str) -> float:
    """Seconds until the whole answer was there; raises when it is none, or not a 200."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE, source_address=(source, 0))
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
    finally:
        connection.close()
    return time.monotonic() - began


def main() -> None:
    url, seconds = urlsplit(sys.argv[1]), float(sys.argv[2])
    source = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.2"
    took, failed = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            took.append(ask(url.hostname or "localhost", url.port or 80, url.path or "/", source))
        except (OSError, http.client.HTTPException) as e:
            failed.append(repr(e))
        time.sleep(PAUSE)
    took.sort()
    at = lambda share: round(1000 * took[min(len(took) - 1, int(len(took) * share))], 1) if took else None
    print(json.dumps({"ok": len(took), "failed": len(failed), "p50_ms": at(0.5), "p99_ms": at(0.99),
                      "max_ms": at(1), "errors": sorted(set(failed))[:3]}))


if __name__ == "__main__":
    main()
