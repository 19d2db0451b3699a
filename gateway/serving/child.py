"""Entry of the supervisor's child processes: `python -m gateway.serving.child CONFIG KIND …`."""

import os
import sys
from pathlib import Path

from audit.errors import AuditError
from gateway.errors import GatewayError
from gateway.serving.lifeline import die_with_parent
from keys.errors import KeyManagementError
from policies.errors import PolicyError


def main() -> int:
    """Runs one child until it is told to stop."""
    die_with_parent()
    config, kind, *rest = sys.argv[1:]
    owner_url = os.environ.pop("CASEGATE_OWNER_URL")
    try:
        # Each kind loads its own part only: a worker that starts again is sooner back.
        if kind == "publisher":
            from gateway.serving.publishing import run_publisher  # noqa: PLC0415

            run_publisher(Path(config), owner_url, int(rest[0]) if rest else None)
        elif kind == "clockwork":
            from gateway.serving.clockwork import run_clockwork  # noqa: PLC0415

            run_clockwork(Path(config), owner_url)
        elif kind == "analysis":
            from gateway.serving.analysing import run_watch  # noqa: PLC0415

            run_watch(Path(config), owner_url)
        elif kind == "analyser":
            from gateway.serving.analysing import run_analyser  # noqa: PLC0415

            run_analyser(Path(config), owner_url)
        else:
            from gateway.serving.worker import run_worker  # noqa: PLC0415

            listener, sockets, ready_fd = rest
            socket_fds = [int(fd) for fd in sockets.split(",")]
            run_worker(listener, Path(config), owner_url, socket_fds, int(ready_fd))
    except (GatewayError, KeyManagementError, PolicyError, AuditError) as error:
        sys.stderr.write(f"casegate: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
