"""A BatchStore in memory that fails on command, before or after it has persisted a batch."""

import asyncio
from collections.abc import Mapping
from enum import Enum, auto
from uuid import UUID

from audit.batch import StoredBatch
from audit.bundle import decode_bundle
from audit.errors import BatchRefusedError, StoreUnavailableError
from audit.merkle import HASH_BYTES, Frontier
from audit.store import BatchStore
from audit.verify import VerificationReport, verify_batches

# A syntactically valid key that signs nothing here: the fake keeps no heads.
_ORIGIN = "fake.example/log"
_VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


class Fault(Enum):
    FAILS_BEFORE_PERSISTING = auto()
    FAILS_AFTER_PERSISTING = auto()
    HANGS_BEFORE_PERSISTING = auto()
    HANGS_AFTER_PERSISTING = auto()
    REFUSES = auto()


class FaultyBatchStore:
    """Keeps batches in a list; the Nth append (from 1) fails as `faults` says.

    Attributes:
        is_down: while true, no call gets an answer and nothing is stored.
        seconds: what each append takes, so that entries queue behind it.
        calls: the names of the calls made, in order.
    """

    def __init__(self, faults: Mapping[int, Fault] | None = None, *, seconds: float = 0) -> None:
        self.is_down = False
        self.seconds = seconds
        self.calls: list[str] = []
        self.batches: list[StoredBatch] = []
        self._faults = dict(faults or {})
        self._appends = 0
        self._indexes: dict[UUID, int] = {}
        self._frontier = Frontier()

    @property
    def entries(self) -> list[bytes]:
        return [entry for batch in self.batches for entry in decode_bundle(batch.bundle)]

    async def append_batch(self, batch_id: UUID, leaf_hashes: bytes, bundle: bytes) -> int:
        self.calls.append("append")
        self._appends += 1
        fault = self._faults.get(self._appends)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.is_down or fault is Fault.FAILS_BEFORE_PERSISTING:
            raise StoreUnavailableError("injected")
        if fault is Fault.REFUSES:
            raise BatchRefusedError("injected")
        if fault is Fault.HANGS_BEFORE_PERSISTING:
            await asyncio.Event().wait()
        if batch_id not in self._indexes:
            self._persist(batch_id, leaf_hashes, bundle)
        if fault is Fault.FAILS_AFTER_PERSISTING:
            raise StoreUnavailableError("injected")
        if fault is Fault.HANGS_AFTER_PERSISTING:
            await asyncio.Event().wait()
        return self._indexes[batch_id]

    async def find_batch(self, batch_id: UUID) -> int | None:
        self.calls.append("find")
        if self.is_down:
            raise StoreUnavailableError("injected")
        return self._indexes.get(batch_id)

    def check_log(self) -> VerificationReport:
        """Verify everything that was stored, from the first entry on."""
        return verify_batches(self.batches, (), _VKEY, origin=_ORIGIN)

    def _persist(self, batch_id: UUID, leaf_hashes: bytes, bundle: bytes) -> None:
        first_index = self._frontier.size
        leaves = [
            leaf_hashes[at : at + HASH_BYTES] for at in range(0, len(leaf_hashes), HASH_BYTES)
        ]
        self._frontier = self._frontier.extend(leaves)
        self._indexes[batch_id] = first_index
        size, root = self._frontier.size, self._frontier.root
        batch = StoredBatch(first_index, len(leaves), bundle, leaf_hashes, size, root)
        self.batches.append(batch)


_: type[BatchStore] = FaultyBatchStore
