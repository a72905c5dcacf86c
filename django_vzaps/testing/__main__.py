"""``python -m django_vzaps.testing``: the fake service over HTTP until it is told to stop."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import threading
from collections.abc import Sequence

from django_vzaps.testing.fake import FakeVZaps


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Exit code 0 when stopped, 1 when the port could not be had."""
    parser = argparse.ArgumentParser(prog="python -m django_vzaps.testing", description="Run a fake VZaps service.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8001, help="port, or 0 for a free one (default: %(default)s)")
    parser.add_argument("--client-token", default="demo-client-token", help="(default: %(default)s)")
    parser.add_argument("--client-secret", default="demo-client-secret", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="begin with N instances in varied states")
    options = parser.parse_args(arguments)

    fake = FakeVZaps(client_token=options.client_token, client_secret=options.client_secret)
    fake.seed_demo(options.seed)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with fake.serve(options.port, host=options.host) as server:
            sys.stdout.write(f"{server.url}\n")
            sys.stdout.flush()
            stop.wait()
    except OSError as error:
        reason = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be opened: {error.strerror}"
        sys.stderr.write(f"Port {options.port} on {options.host} {reason}. Choose another one with --port.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
