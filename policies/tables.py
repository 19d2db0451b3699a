"""Tables of expected answers for a policy, so that a scope can be tested without writing code."""

import re
from dataclasses import dataclass
from datetime import datetime
from importlib.resources.abc import Traversable
from types import MappingProxyType

from policies.decide import AccessRequest, Deny, DenyReason, decide
from policies.documents import Document, Mapping, Node, read_document
from policies.fields import Level, Stage, load_field_catalog
from policies.load import moment_of
from policies.model import PolicyBundle

_CHECK_KEYS = frozenset(
    {"principal", "purpose", "stage", "at", "denied", "fields", "nothing_else"}
)
_PRINCIPAL = re.compile(r"([a-z0-9._-]+)/([a-z0-9._-]+)")
_REASONS = MappingProxyType({reason.value: reason for reason in DenyReason})
_STAGES = MappingProxyType({stage.value: stage for stage in Stage})
_YES_NO = MappingProxyType({"yes": True, "no": False})


@dataclass(frozen=True, slots=True)
class Check:
    """One row: a request and either the reason of its denial or what each field must be.

    `fields` maps names to words such as `partial name`; `drop` means that the field stays out.
    With `nothing_else`, every field that the row does not name must stay out too.
    """

    line: int
    request: AccessRequest
    denied: DenyReason | None
    fields: tuple[tuple[str, str], ...]
    nothing_else: bool


def run_policy_table(source: Traversable, bundle: PolicyBundle) -> list[str]:
    """Run each row against the bundle; return one sentence a failure, in the order of the file.

    PolicyFileError when the table itself cannot be read, or holds no row.
    """
    document = read_document(source, source.name)
    failures: list[str] = []
    for check in _checks(document):
        place = f"{document.file}, line {check.line}"
        failures.extend(f"{place}: {failure}" for failure in _run(check, bundle))
    return failures


def _run(check: Check, bundle: PolicyBundle) -> list[str]:
    policy = bundle.policy(check.request.vendor, check.request.contract)
    answer = decide(check.request, policy)
    if isinstance(answer, Deny):
        if check.denied is answer.reason:
            return []
        wanted = check.denied.value if check.denied else "a permit"
        return [f"expected {wanted}, but the answer is {answer.reason.value}."]
    if check.denied is not None:
        return [f"expected {check.denied.value}, but the request is permitted."]
    granted = {rule.field: rule.words for rule in answer.rules}
    failures = [
        f"expected `{field}` as `{words}`, but it is `{granted.get(field, Level.DROP.word)}`."
        for field, words in check.fields
        if granted.get(field, Level.DROP.word) != words
    ]
    if check.nothing_else:
        named = {field for field, _ in check.fields}
        failures.extend(
            f"expected nothing else, but `{field}` is released as `{words}`."
            for field, words in granted.items()
            if field not in named
        )
    return failures


def _checks(document: Document) -> list[Check]:
    top = document.entries(
        document.root, known=frozenset({"about", "at", "checks"}), what="a policy table"
    )
    default_at = moment_of(document, top["at"], "`at`") if "at" in top else None
    listed = document.required(top, "checks", line=document.root.line)
    checks = [
        _check(document, document.mapping(node, "A check"), default_at)
        for node in document.items(listed, "`checks`")
    ]
    if not checks:
        document.fail(listed.line, "The table has no check.", "Add one, or delete the file.")
    return checks


def _check(document: Document, node: Mapping, default_at: datetime | None) -> Check:
    entries = document.entries(node, known=_CHECK_KEYS, what="a check")
    at = moment_of(document, entries["at"], "`at`") if "at" in entries else default_at
    if at is None:
        document.fail(node.line, "No time is given.", "Add `at:` here or at the top.")
    if ("denied" in entries) == ("fields" in entries):
        document.fail(node.line, "A check needs one expectation.", "Give `denied` or `fields`.")
    vendor, contract = _principal(
        document, document.required(entries, "principal", line=node.line)
    )
    purpose = document.text(entries["purpose"], "`purpose`") if "purpose" in entries else None
    stage = document.choice(
        document.required(entries, "stage", line=node.line), _STAGES, "`stage`"
    )
    denied = (
        document.choice(entries["denied"], _REASONS, "`denied`") if "denied" in entries else None
    )
    fields = _expected_fields(document, entries["fields"]) if "fields" in entries else ()
    nothing_else = (
        document.choice(entries["nothing_else"], _YES_NO, "`nothing_else`")
        if "nothing_else" in entries
        else False
    )
    request = AccessRequest(vendor, contract, purpose, stage, at)
    return Check(node.line, request, denied, fields, nothing_else)


def _principal(document: Document, node: Node) -> tuple[str, str]:
    match = _PRINCIPAL.fullmatch(document.text(node, "`principal`"))
    if match is None:
        return document.fail(node.line, "The principal is unclear.", "Write vendor/contract.")
    return match[1], match[2]


def _expected_fields(document: Document, node: Node) -> tuple[tuple[str, str], ...]:
    catalog = load_field_catalog()
    expected: list[tuple[str, str]] = []
    for key, value in document.mapping(node, "`fields`").entries:
        if key.text not in catalog:
            # A misspelt field is never released, so `drop` would pass and prove nothing.
            document.fail(key.line, "The catalogue has no such field.", "Check the spelling.")
        expected.append((key.text, " ".join(document.text(value, "A field").split())))
    return tuple(expected)
