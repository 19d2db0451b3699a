"""The auditor's views: `casegate audit timeline`, `denials`, `changes`, `readers` and more."""

import re
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    err,
    open_office,
    out,
    print_json,
)
from gateway.http.log_documents import view_document
from gateway.oversight.query import LogQuery
from gateway.oversight.timeline import Bucket, Step
from gateway.oversight.views import CHANGE_KINDS, Change, Disclosure, ViewPage

VendorOption = Annotated[str | None, typer.Option(help="Vendor id.")]
SinceOption = Annotated[datetime | None, typer.Option(help="Local time, 2026-01-31T08:00:00")]
UntilOption = Annotated[datetime | None, typer.Option(help="Local time, exclusive.")]
LimitOption = Annotated[int, typer.Option(min=1, max=500)]
CursorOption = Annotated[int | None, typer.Option(min=0, help="Go on below this index.")]
CaseOption = Annotated[str | None, typer.Option(help="A case's commitment in hex.")]
DebtorOption = Annotated[
    str | None, typer.Option(help="An ID number or a mobile; `-` reads it from standard input.")
]
_SHOWN_DIGITS = 12
_LONG_WORD = 40


def add_to(app: typer.Typer) -> None:
    """Adds the views to `casegate audit`."""
    for name, command in (
        ("timeline", timeline),
        ("denials", denials),
        ("changes", changes),
        ("readers", readers),
        ("disclosures", disclosures),
    ):
        app.command(name)(command)


def timeline(
    vendor: Annotated[str, typer.Option(help="Vendor id.")],
    step: Annotated[Step, typer.Option(help="How long a line is.")] = Step.DAY,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Lines.")] = 31,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show what a vendor was given and refused, hour by hour or day by day, newest first."""
    found = (
        open_office(config)
        .desk()
        .timeline(
            vendor, step=step, since=_aware(since), until=_aware(until), limit=limit, actor=actor()
        )
    )
    if as_json:
        print_json(found)
        return
    for bucket in found.buckets:
        _print_bucket(bucket, step)
    for use in found.profiles:
        out.print(
            f"fields of profile {use.profile[:_SHOWN_DIGITS]}: {use.releases} releases,"
            f" {use.first_at.astimezone():%Y-%m-%d %H:%M} to"
            f" {use.last_at.astimezone():%Y-%m-%d %H:%M}",
            soft_wrap=True,
        )
    if found.indexed < found.size:
        err.print(f"the index is {found.size - found.indexed} entries behind the log")
    if found.next_until is not None:
        err.print(f"more: --until {found.next_until.astimezone():%Y-%m-%dT%H:%M:%S}")


def denials(
    vendor: VendorOption = None,
    request: Annotated[str | None, typer.Option(help="Request id, as the vendor got it.")] = None,
    certificate: Annotated[str | None, typer.Option(help="Thumbprint in hex.")] = None,
    code: Annotated[str | None, typer.Option(help="A problem code, as NOT_FOUND.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 20,
    cursor: CursorOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show refusals and why: the sentence, and the rule and policy where a policy said no."""
    query = LogQuery(
        vendor=vendor,
        request=request,
        certificate=certificate,
        code=code,
        since=_aware(since),
        until=_aware(until),
        before=cursor,
        limit=limit,
    )
    page = open_office(config).desk().denials(query, actor=actor())
    if _is_printed(page, as_json=as_json):
        return
    for denial in page.items:
        entry = denial.entry
        _print_line(denial.index, entry, entry.get("vendor") or entry.get("staff"), "code")
        by = f" ({denial.rule} of policy {_short(denial.policy)})" if denial.rule else ""
        out.print(f"{'':10}{denial.explanation}{by}", markup=False, soft_wrap=True)
    _print_cursor(page)


def changes(
    vendor: VendorOption = None,
    kind: Annotated[
        list[str] | None, typer.Option(help=f"Repeatable: {', '.join(CHANGE_KINDS)}.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 20,
    cursor: CursorOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show changes of who may get what, beside the releases of the hours around each."""
    query = LogQuery(
        vendor=vendor, since=_aware(since), until=_aware(until), before=cursor, limit=limit
    )
    kinds = tuple(kind) if kind else CHANGE_KINDS
    page = open_office(config).desk().changes(query, kinds=kinds, actor=actor())
    if _is_printed(page, as_json=as_json):
        return
    for change in page.items:
        _print_change(change)
    _print_cursor(page)


def readers(
    who: Annotated[str | None, typer.Option("--actor", help="Staff or command.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 20,
    cursor: CursorOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show who searched, exported or verified the log."""
    query = LogQuery(
        actor=who, since=_aware(since), until=_aware(until), before=cursor, limit=limit
    )
    page = open_office(config).desk().readers(query, actor=actor())
    if _is_printed(page, as_json=as_json):
        return
    for hit in page.items:
        asked = hit.entry.get("query") or {}
        words = " ".join(f"{name}={value}" for name, value in asked.items())
        _print_line(hit.index, hit.entry, hit.entry.get("actor"), None, words)
    _print_cursor(page)


def disclosures(
    debtor: DebtorOption = None,
    case: CaseOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Report to whom a person's cases were released, when, why and with which fields."""
    if (debtor is None) == (case is None):
        raise typer.BadParameter("give --debtor or --case")
    query = LogQuery(
        cases=None if case is None else (case_commitment(case),),
        since=_aware(since),
        until=_aware(until),
        before=cursor,
        limit=limit,
    )
    identifier = sys.stdin.readline().strip() if debtor == "-" else debtor
    page = open_office(config).desk().disclosures(query, identifier=identifier, actor=actor())
    if _is_printed(page, as_json=as_json):
        return
    for disclosure in page.items:
        _print_disclosure(disclosure)
    _print_cursor(page)


def case_commitment(text: str) -> str:
    """A commitment as entries show it.

    Raises:
        typer.BadParameter: it is not 32 hex digits.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise typer.BadParameter("32 hex digits, as entries show them", param_hint="--case")
    return text


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone()


def _is_printed(page: ViewPage[Any], *, as_json: bool) -> bool:
    if as_json:
        print_json(view_document(page))
    return as_json


def _print_line(
    index: int, entry: Mapping[str, Any], who: object, field: str | None, more: str = ""
) -> None:
    last = more if field is None else entry.get(field) or ""
    out.print(
        f"{index:>8}  {entry['time']}  {entry['type']:<22} {who or '':<16} {last}",
        markup=False,
        soft_wrap=True,
    )


def _print_cursor(page: ViewPage[Any]) -> None:
    if page.next_before is not None:
        err.print(f"more: --cursor {page.next_before}")


def _print_bucket(bucket: Bucket, step: Step) -> None:
    start = bucket.start.astimezone()
    shown = f"{start:%Y-%m-%d}" if step is Step.DAY else f"{start:%Y-%m-%d %H:00}"
    refused = ", ".join(f"{count} {code}" for code, count in sorted(bucket.denials.items()))
    out.print(
        f"{shown}  {bucket.releases:>8} releases {bucket.cases:>9} cases {bucket.bytes:>12} bytes"
        f"  {refused}",
        markup=False,
        soft_wrap=True,
    )
    for use in bucket.first:
        word = _short(use.word) if len(use.word) > _LONG_WORD else use.word
        out.print(f"{'':12}first {use.kind} {word} (entry {use.index})", soft_wrap=True)


def _print_change(change: Change) -> None:
    entry = change.entry
    who = entry.get("vendor") or entry.get("key") or entry.get("staff")
    differing = entry.get("differing") or ()
    _print_line(change.index, entry, who, None, " ".join(differing) or str(entry.get("actor")))
    volumes = " → ".join(f"{hour.releases}/{hour.cases}" for hour in change.volume)
    out.print(f"{'':10}releases/cases in the hour before, of it, after: {volumes}")


def _print_disclosure(disclosure: Disclosure) -> None:
    release = disclosure.release
    _print_line(
        disclosure.index,
        {**release, "type": "access.release"},
        release.get("vendor"),
        None,
        f"{release.get('purpose', '')} certificate {_short(release.get('certificate'))}",
    )
    if disclosure.fields is None:
        fields = f"by profile {_short(release.get('profile'))}, of which the log holds no policy"
    else:
        fields = ", ".join(f"{name} ({level})" for name, level in disclosure.fields.items())
    end = disclosure.end
    if end is None:
        ended = "its end was never logged"
    else:
        ended = f"{end['bytes']} bytes sent{', cut off' if end['aborted'] else ''}"
    out.print(f"{'':10}{ended}; fields: {fields}", markup=False, soft_wrap=True)


def _short(digest: str | None) -> str:
    return (digest or "none")[:_SHOWN_DIGITS]
