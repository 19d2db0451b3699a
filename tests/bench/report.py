"""The table that a run ends with, and its raw figures as a file."""

import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import rich.box
from rich.console import Console
from rich.table import Table

from tests.bench.harness import Result, Sample, Target

_MILLION = 1_000_000


def print_table(
    out: Console, results: Sequence[Result], flushes: Sequence[dict[str, float]]
) -> None:
    """Medians, [lowest..highest] round, the ratio and the verdict of each row."""
    table = Table(
        title="Casegate beside plain peers, interleaved rounds", box=rich.box.SIMPLE_HEAD
    )
    for column in ("row", "unit"):
        table.add_column(column, no_wrap=True)
    for column in ("ours", "peer", "ratio", "target"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for result in results:
        row = result.row
        ratio = result.ratio
        ratios = result.round_ratios
        table.add_row(
            row.name,
            row.unit,
            _spread(result, result.ours),
            _spread(result, result.peer) if result.peer else "none",
            "" if ratio is None else f"{ratio:.2f}\n[{min(ratios):.2f}..{max(ratios):.2f}]",
            _target(row.target),
            _verdict(result),
        )
    out.print(table)
    for result in results:
        note = result.row.note(result.ours)
        out.print(f"{result.row.name}: {note} ({result.seconds:.0f} s)", highlight=False)
    medians = ", ".join(f"{flush['p50_ms']:.2f}" for flush in flushes)
    worst = max(flush["p99_ms"] for flush in flushes)
    out.print(
        f"One fdatasync of 512 appended bytes on this disk: median {medians} ms"
        f" (before, after), p99 {worst:.2f} ms"
    )


def write_figures(
    folder: Path,
    at: datetime,
    results: Sequence[Result],
    flushes: Sequence[dict[str, float]],
    settings: dict[str, Any],
) -> Path:
    """Writes all samples; returns the file, named by the UTC time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{at:%Y%m%dT%H%M%SZ}.json"
    document = {
        "at": at.isoformat(),
        "machine": {
            "processors": settings.pop("processors"),
            "python": platform.python_version(),
            "kernel": platform.release(),
        },
        "settings": settings,
        "flush": list(flushes),
        "rows": [
            {
                "name": result.row.name,
                "unit": result.row.unit,
                "target": asdict(result.row.target),
                "ours": result.row.figure(result.ours),
                "peer": result.row.figure(result.peer) if result.peer else None,
                "ratio": result.ratio,
                "is_met": result.is_met,
                "seconds": result.seconds,
                "ours_rounds": [asdict(sample) for sample in result.ours],
                "peer_rounds": [asdict(sample) for sample in result.peer],
            }
            for result in results
        ],
    }
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return path


def _spread(result: Result, samples: Sequence[Sample]) -> str:
    values = [sample.value for sample in samples]
    low, high = min(values), max(values)
    return f"{_short(result.row.figure(samples))}\n[{_short(low)}..{_short(high)}]"


def _short(value: float) -> str:
    if value >= _MILLION:
        return f"{value / _MILLION:.2f}M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _target(target: Target) -> str:
    bound = f"{target.bound:,.1f}" if target.of_ratio else f"{target.bound:,.0f}"
    words = "at most " if target.at_most else "at least "
    wanted = "" if target.wanted is None else f"\n({target.wanted:,.1f} wanted)"
    return f"{words}{'x' if target.of_ratio else ''}{bound}{wanted}"


def _verdict(result: Result) -> str:
    if not result.is_met:
        return "[bold red]MISSED[/]"
    if not result.is_as_wanted:
        return "[yellow]met,\nnot as wanted[/]"
    return "[green]met[/]"
