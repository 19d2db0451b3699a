"""Proofs of a vendor's own log entries, out of the directory that the publisher writes."""

from pathlib import Path

import orjson

from audit.checkpoint import Checkpoint
from audit.errors import AuditError
from audit.note import SignedNote
from audit.tile_source import DirectorySource, read_entries, read_note
from audit.tile_tree import TileTree
from audit.tiles import TILE_WIDTH, tile_at
from audit.tlog_proof import TlogProof
from gateway.errors import NotFoundError
from gateway.identity.principal import VendorPrincipal


class Receipts:
    """Hands a vendor the `.tlog-proof` of its own entries, and the newest checkpoint."""

    def __init__(self, directory: Path | None) -> None:
        self._source = None if directory is None else DirectorySource(directory)

    def checkpoint(self) -> str:
        """The newest signed checkpoint, a signed note.

        Raises:
            NotFoundError: none has been signed yet, or this installation writes no directory.
        """
        if self._source is None:
            raise NotFoundError("this installation writes no log directory")
        try:
            return read_note(self._source)
        except AuditError as error:
            raise NotFoundError("no checkpoint has been signed yet") from error

    def proof(self, principal: VendorPrincipal, index: int) -> str:
        """The proof of an entry about this vendor; it carries the entry itself as `extra`.

        Raises:
            NotFoundError: another's entry, none at all, or not under a checkpoint yet (which
                takes about a second): one answer for all three.
        """
        note = self.checkpoint()
        size = Checkpoint.from_body(SignedNote.from_text(note).body).size
        if index >= size:
            raise NotFoundError("no such entry of this vendor")
        assert self._source is not None
        tree = TileTree(self._source, size)
        entries = read_entries(self._source, tile_at(None, index // TILE_WIDTH, size))
        entry = entries[index % TILE_WIDTH]
        content = orjson.loads(entry)
        if (content.get("vendor"), content.get("contract")) != (
            principal.vendor_id,
            principal.contract_id,
        ) or not str(content["type"]).startswith(("access.", "token.", "record.")):
            raise NotFoundError("no such entry of this vendor")
        return TlogProof(index, tuple(tree.inclusion_proof(index)), note, entry).to_text()
