"""A law pack tried on past permits: `casegate pack simulate`, `casegate policy simulate PACK`."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.cli.console import actor, err, open_office, out, print_json
from gateway.contact.simulation import PackSimulation

# Of a simulation that ran, and found more refused than `--at-most` says.
EXIT_TOO_MANY = 3
_DEFAULT = "30d"
_LAST = re.compile(r"([1-9][0-9]{0,3})d")
_MOST_DAYS = 400
_DAYS_SHOWN = 31

LastOption = Annotated[
    str | None, typer.Option(help=f"So many days back, as 30d; {_DEFAULT} if not said.")
]
AtMostOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=100, help=f"Exit code {EXIT_TOO_MANY} when more percent would be refused."
    ),
]


def simulate_pack(
    pack: str, last: str | None, *, at_most: float | None, config: Path, as_json: bool
) -> None:
    """Replays the permits of so many days and tells what the pack would have refused.

    Raises:
        typer.Exit: with EXIT_TOO_MANY, when that is more than `at_most` percent.
    """
    span = _span(last or _DEFAULT)
    with Progress(
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    ) as bar:
        task = bar.add_task("replay", total=None)
        found = (
            open_office(config)
            .packs()
            .simulate(
                pack,
                span,
                actor=actor(),
                progress=lambda done, all_: bar.update(task, completed=done, total=all_),
            )
        )
    if as_json:
        print_json(found.document())
    else:
        _tell(found)
    if at_most is not None and found.percent > at_most:
        raise typer.Exit(EXIT_TOO_MANY)


def _span(last: str) -> timedelta:
    days = _LAST.fullmatch(last)
    if days is None or int(days[1]) > _MOST_DAYS:
        raise typer.BadParameter(f"write 1d to {_MOST_DAYS}d", param_hint="--last")
    return timedelta(days=int(days[1]))


def _tell(found: PackSimulation) -> None:
    document = found.document()
    total = f"{found.refused} would have been refused ({found.percent} %)"
    lines = [f"{found.pack} {found.version} on {found.permits} permits: {total}"]
    for rule, share in document["by_rule"].items():
        lines.append(f"  rule {rule}: {share['refused']} ({share['percent']} %)")
    for part in ("by_vendor", "by_day"):
        shares = list(document[part].items())
        for name, share in shares[-_DAYS_SHOWN:]:
            lines.append(
                f"  {part.removeprefix('by_')} {name}: {share['refused']} of {share['permits']}"
                f" ({share['percent']} %)"
            )
        if len(shares) > _DAYS_SHOWN:
            lines.append(f"  … and {len(shares) - _DAYS_SHOWN} more before; see --json")
    if document["examples"]:
        lines.append(f"  permits, for example: {', '.join(document['examples'][:5])}")
    lines.append(
        f"of {document['refusals']} refusals it would have refused {document['refused_again']}"
    )
    if found.erased:
        lines.append(f"? {found.erased} permits are of debtors erased since, and not replayed")
    for line in lines:
        out.print(line, soft_wrap=True, markup=False)
