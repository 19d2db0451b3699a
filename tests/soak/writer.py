"""A writer process: appends entries that name themselves, tens in flight, until SIGTERM."""

import asyncio
import ctypes
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from audit.entry import EventType, encode_entry
from audit.errors import AuditUnavailableError, LogRewoundError
from audit.log import AuditLog
from audit.store import PostgresBatchStore
from tests.soak.ledger import Ledger

URL_VARIABLE = "CASEGATE_SOAK_URL"
_PAUSE_SECONDS = 0.05


async def write(name: str, ledger: Ledger, url: str, in_flight: int) -> None:
    """Appends with so many callers; tells the ledger of each answer before anything else."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    store = PostgresBatchStore(url)
    log = AuditLog(store)
    await log.start()

    async def caller(number: int) -> None:
        count = 0
        while not stopping.is_set():
            entry_id = f"{name}.{number}.{count}"
            count += 1
            entry = encode_entry(
                EventType.ACCESS_RELEASE,
                time=datetime.now(tz=UTC),
                vendor="alpha",
                contract="alpha-2026",
                request=entry_id,
                writer=name,
                padding="x" * (count * 37 % 500),
            )
            try:
                receipt = await log.append(entry)
            except AuditUnavailableError as error:
                ledger.refuse(entry_id, is_rewound=isinstance(error, LogRewoundError))
            else:
                ledger.acknowledge(receipt.index, receipt.leaf_hash, entry_id)
            await asyncio.sleep(_PAUSE_SECONDS)

    await asyncio.gather(*(caller(number) for number in range(in_flight)))
    await log.close()
    await store.close()


def main() -> None:
    """Runs one writer: NAME LEDGER IN_FLIGHT, with the URL in the environment."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    name, path, in_flight = sys.argv[1:]
    with (
        Ledger(Path(path)) as ledger,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(write(name, ledger, os.environ[URL_VARIABLE], int(in_flight)))


if __name__ == "__main__":
    main()
