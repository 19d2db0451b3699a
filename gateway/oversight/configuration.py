"""Notes in the log with which policies, settings and keys an installation runs, at a change."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

from audit.entry import EntryValue, EventType
from gateway.evidence import record_with_change
from gateway.settings import Settings
from keys.secret import Secret
from policies.model import PolicyBundle, VendorPolicy

_CONFIGURATION = "configuration"
_POLICY = "policy/"
_KEY = "key/"
_SECRET_PARTS = frozenset({"password", "sslpassword", "passfile"})
_KNOWN = "SELECT digest FROM casegate.loaded WHERE name = %s"
_OPEN = """
INSERT INTO casegate.loaded (name, digest, details) VALUES (%s, '', '{}') ON CONFLICT DO NOTHING
"""
_LOCK = "SELECT digest, details FROM casegate.loaded WHERE name = %s FOR UPDATE"
_SET = "UPDATE casegate.loaded SET digest = %s, details = %s WHERE name = %s"
_FORGET = """
UPDATE casegate.loaded SET digest = '', details = '{}' WHERE name = %s AND digest = %s
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a process runs with: `keys` are public ids by name; `policies` None if it has none."""

    settings: Settings
    policies: PolicyBundle | None = None
    keys: Mapping[str, str] = field(default_factory=dict)


def note_loaded(
    connection: psycopg.Connection, loaded: Loaded, *, actor: str, at: datetime
) -> None:
    """Notes all of it that differs from what was last noted; nothing when nothing does."""
    note_configuration(connection, loaded.settings, actor=actor, at=at)
    note_keys(connection, loaded.keys, actor=actor, at=at)
    if loaded.policies is not None:
        note_policies(connection, loaded.policies, actor=actor, at=at)


def note_configuration(
    connection: psycopg.Connection, settings: Settings, *, actor: str, at: datetime
) -> None:
    """Notes the digest of the settings and the names of those that differ from the last time.

    No value of a setting stands in the log, and a password is not even part of the digest.
    """
    parts = {name: _digest(value) for name, value in _flat(_without_secrets(settings))}
    _note(connection, _CONFIGURATION, parts, EventType.CONFIGURATION_LOADED, actor=actor, at=at)


def note_policies(
    connection: psycopg.Connection, bundle: PolicyBundle, *, actor: str, at: datetime
) -> None:
    """Notes each policy that differs from the one last loaded, and each that is gone.

    The entry holds every stage's rules under their profile digest, so that the log alone says
    which fields a release with that digest let out.
    """
    for policy in bundle:
        _note(
            connection,
            f"{_POLICY}{policy.vendor}/{policy.contract}",
            {"policy": policy.digest},
            EventType.POLICY_LOADED,
            actor=actor,
            at=at,
            vendor=policy.vendor,
            contract=policy.contract,
            policy=policy.digest,
            policy_id=policy.policy_id,
            bundle=bundle.digest,
            profiles=_profiles(policy),
        )
    loaded = {f"{_POLICY}{policy.vendor}/{policy.contract}" for policy in bundle}
    rows = connection.execute(
        "SELECT name, digest FROM casegate.loaded WHERE name LIKE %s AND digest <> ''",
        (f"{_POLICY}%",),
    ).fetchall()
    for name, digest in rows:
        if name not in loaded:
            _withdraw(connection, str(name), str(digest), actor=actor, at=at)


def note_keys(
    connection: psycopg.Connection, keys: Mapping[str, str], *, actor: str, at: datetime
) -> None:
    """Notes each key, by name and public id, that is another than the last time."""
    for name, key_id in keys.items():
        _note(
            connection,
            f"{_KEY}{name}",
            {"id": key_id},
            EventType.KEY_LOADED,
            actor=actor,
            at=at,
            key=name,
            key_id=key_id,
        )


def key_id_of(key: Secret) -> str:
    """Eight bytes of a hash of a random key, in hex: names it and tells nothing of it."""
    return hashlib.sha256(b"casegate key id\x00" + key.reveal()).hexdigest()[:16]


def _profiles(policy: VendorPolicy) -> dict[str, EntryValue]:
    return {
        scope.digest: {
            "stage": scope.stage.value,
            "fields": {rule.field: rule.words for rule in scope.rules},
        }
        for scope in policy.scopes
    }


def _note(
    connection: psycopg.Connection,
    name: str,
    parts: Mapping[str, str],
    event: EventType,
    *,
    actor: str,
    at: datetime,
    **fields: EntryValue,
) -> None:
    """Notes what is loaded under a name, once: several workers may start at the same moment."""
    digest = _digest(dict(parts))
    row = connection.execute(_KNOWN, (name,)).fetchone()
    if row is not None and row[0] == digest:
        return
    with connection.transaction():
        connection.execute(_OPEN, (name,))
        row = connection.execute(_LOCK, (name,)).fetchone()
        assert row is not None
        previous, known = str(row[0]), dict(row[1])
        if previous == digest:
            return
        connection.execute(_SET, (digest, Jsonb(dict(parts)), name))
        differing = sorted(key for key in {*parts, *known} if parts.get(key) != known.get(key))
        record_with_change(
            connection,
            event,
            at=at,
            actor=actor,
            digest=digest,
            previous=previous or None,
            differing=differing if previous else [],
            **fields,
        )


def _withdraw(
    connection: psycopg.Connection, name: str, digest: str, *, actor: str, at: datetime
) -> None:
    _policy, vendor, contract = name.split("/", 2)
    with connection.transaction():
        if connection.execute(_FORGET, (name, digest)).rowcount:
            record_with_change(
                connection,
                EventType.POLICY_WITHDRAWN,
                at=at,
                actor=actor,
                vendor=vendor,
                contract=contract,
                previous=digest,
            )


def _without_secrets(settings: Settings) -> dict[str, Any]:
    content = settings.model_dump(mode="json")
    url = settings.database.url
    if url is not None:
        parts = conninfo_to_dict(url)
        kept = {name: value for name, value in parts.items() if name not in _SECRET_PARTS}
        content["database"]["url"] = make_conninfo("", **kept)
    return content


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _digest(content: object) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
