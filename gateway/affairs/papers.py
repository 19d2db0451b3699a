"""What vendors hand in with their moves: words that are sealed, calls, files by their hashes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from gateway.affairs.affair import Affair
from gateway.affairs.seal import AffairSeal
from gateway.clock import rfc3339

_PAPERS = """
SELECT paper_id, part, sealed_text, text_state, call_ids, files, filed_at
  FROM casegate.affair_paper WHERE affair_id = %s ORDER BY sequence
"""


def papers_of(connection: psycopg.Connection, affair_id: UUID) -> list[dict[str, Any]]:
    """What the vendor handed in; `sealed_text` as it is kept."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_PAPERS, (affair_id,)).fetchall()


def listed(paper: Mapping[str, Any]) -> dict[str, Any]:
    """A paper without its words."""
    return {
        "paper_id": str(paper["paper_id"]),
        "part": paper["part"],
        "text_state": paper["text_state"],
        "call_ids": paper["call_ids"],
        "files": paper["files"],
        "filed_at": rfc3339(paper["filed_at"]),
    }


def opened(paper: Mapping[str, Any], seal: AffairSeal) -> dict[str, Any]:
    """The same with its words, in clear."""
    sealed = paper["sealed_text"]
    text = None if sealed is None else seal.open(bytes(sealed), paper["paper_id"])
    return {**listed(paper), "text": text}


def missing_calls(affair: Affair, papers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The calls that were asked for and that no paper of the vendor's names."""
    delivered = {call for paper in papers for call in paper["call_ids"]}
    return [call for call in affair.call_ids if call not in delivered]
