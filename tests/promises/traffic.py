"""Vendors that pull without pause, and what they got."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.installation import Installation


@dataclass(frozen=True, slots=True)
class Pulled:
    """One answer: when it came (monotonic), how long it took, and what it was."""

    at: float
    seconds: float
    status: int
    code: str
    receipt: str
    sha256: str


@dataclass(slots=True)
class Traffic:
    """What all pullers of a run received; `unanswered` holds how long each lost request took."""

    answers: list[Pulled] = field(default_factory=list)
    unanswered: list[float] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def releases(self) -> list[Pulled]:
        return [answer for answer in self.answers if answer.status == 200]

    def pull(self, installation: Installation, token: str) -> None:
        """Pulls pages of five until stopped, on a new connection after each failure."""
        context = installation.tls("vendors/alpha")
        headers = {"Authorization": f"Bearer {token}"}
        while not self.stopping.is_set():
            with httpx.Client(
                base_url=installation.vendor_url, verify=context, headers=headers, timeout=10
            ) as client:
                while not self.stopping.is_set():
                    began = time.monotonic()
                    try:
                        answer = client.get("/v1/cases", params={"limit": 5})
                    except httpx.HTTPError:
                        self.unanswered.append(time.monotonic() - began)
                        time.sleep(0.05)
                        break
                    now = time.monotonic()
                    self.answers.append(
                        Pulled(
                            now,
                            now - began,
                            answer.status_code,
                            "" if answer.status_code == 200 else answer.json()["code"],
                            answer.headers.get("casegate-receipt", ""),
                            hashlib.sha256(answer.content).hexdigest(),
                        )
                    )


@contextmanager
def pulling(installation: Installation, *, clients: int) -> Iterator[Traffic]:
    """Runs so many clients of vendor alpha beside the block."""
    with installation.vendor("alpha") as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
    traffic = Traffic()
    threads = [
        threading.Thread(target=traffic.pull, args=(installation, token)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        traffic.stopping.set()
        for thread in threads:
            thread.join(15)
