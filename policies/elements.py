"""The small parts that policies, profiles, contracts and packs share: names, times, terms."""

import ipaddress
import re
from datetime import datetime, timedelta, timezone

from policies.documents import Document, Node
from policies.model import Network, Term

# China has kept one offset without summer time since 1992, so no time-zone database is needed.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PURPOSE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(_DATE.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})")


def moment_of(document: Document, node: Node, what: str) -> datetime:
    """Read a date (its first instant in Asia/Shanghai) or an RFC 3339 time with an offset."""
    text = document.text(node, what)
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    return document.fail(
        node.line,
        f"{what} is not a date of this century.",
        "Write 2026-01-31, or 2026-01-31T18:00:00+08:00.",
    )


def identifier_of(document: Document, node: Node, what: str) -> str:
    """Read a plain name, as vendors, contracts and profiles have."""
    text = document.text(node, what)
    if not IDENTIFIER.fullmatch(text):
        document.fail(
            node.line,
            f"{what} is not a plain name.",
            "Use up to 64 of a-z, 0-9, dot, hyphen and underscore.",
        )
    return text


def term_of(document: Document, node: Node) -> Term:
    """Read a term; a last day that is written as a date belongs to it."""
    mapping = document.mapping(node, "`term`")
    entries = document.entries(mapping, known=frozenset({"from", "to"}), what="a term")
    first = document.required(entries, "from", line=node.line)
    last = document.required(entries, "to", line=node.line)
    begins = moment_of(document, first, "`from`")
    ends = moment_of(document, last, "`to`")
    if _DATE.fullmatch(document.text(last, "`to`")):
        ends += timedelta(days=1)
    if ends <= begins:
        document.fail(last.line, "The term ends before it begins.", "Set `to` after `from`.")
    return Term(begins, ends)


def purposes_of(document: Document, node: Node) -> frozenset[str]:
    """Read a list of purposes that is not empty."""
    listed = document.texts(node, "`purposes`")
    for item in listed:
        if not PURPOSE.fullmatch(item.text):
            document.fail(item.line, "A purpose is not a code.", "Write A-Z, 0-9 and underscore.")
    if not listed:
        document.fail(node.line, "No purpose is given.", "Write [DEBT_COLLECTION_TEL].")
    return frozenset(item.text for item in listed)


def networks_of(document: Document, node: Node) -> tuple[Network, ...]:
    """Read a list of networks in CIDR form that is not empty."""
    networks: list[Network] = []
    for item in document.texts(node, "`networks`"):
        try:
            networks.append(ipaddress.ip_network(item.text))
        except ValueError:
            document.fail(
                item.line,
                "A network is not in CIDR form, or has bits set outside its mask.",
                "Write 203.0.113.0/28, or 203.0.113.7/32 for one address.",
            )
    if not networks:
        document.fail(node.line, "The list of networks is empty.", "Name one, or leave it out.")
    return tuple(networks)
