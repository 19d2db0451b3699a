"""`casegate analyse`: how far the analysis of notes has come, and a way to do it here and now."""

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.analysis.status import AnalysisStatus
from gateway.analysis.worker import AnalysisRun
from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    complain,
    err,
    open_office,
    out,
    print_json,
)
from gateway.serving.analysing import Analysis

EXIT_FAILED_NOTES = 1
EXIT_WRONG_USE = 2

OnceOption = Annotated[bool, typer.Option("--once", help="Analyse what waits, then end.")]
StatusOption = Annotated[bool, typer.Option("--status", help="Count, and open nothing.")]
RetryOption = Annotated[bool, typer.Option("--retry", help="Queue failed notes again.")]


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("analyse")(analyse)


def analyse(
    once: OnceOption = False,
    status: StatusOption = False,
    retry: RetryOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Look through notes for personal data; exit code 1 when some notes have failed.

    A running installation does it by itself.
    """
    if sum((once, status, retry)) != 1:
        complain("name one of --once, --status and --retry")
        raise typer.Exit(EXIT_WRONG_USE)
    office = open_office(config)
    analysis = Analysis(office.database, office.clock)
    if retry:
        queued = analysis.retry()
        if as_json:
            print_json({"queued": queued})
        else:
            out.print(f"{queued} notes queued again")
        return
    done = _analyse(analysis) if once else None
    now = analysis.status()
    if as_json:
        print_json(now.document() if done is None else now.document() | {"run": done.document()})
    else:
        _show(now, done)
    raise typer.Exit(EXIT_FAILED_NOTES if now.failed else 0)


def _analyse(analysis: Analysis) -> AnalysisRun:
    before = analysis.status()
    expected = before.pending + before.outdated - before.renewing
    with Progress(
        TextColumn("analysing"), BarColumn(), MofNCompleteColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task("analyse", total=expected)
        return analysis.analyse_waiting(lambda run: bar.update(task, completed=run.seen))


def _show(now: AnalysisStatus, done: AnalysisRun | None) -> None:
    if done is not None:
        out.print(f"analysed now: {done.ready} ready, {done.withheld} withheld")
    out.print(
        f"pending {now.pending} ({now.renewing} with an older rendition that serves),"
        f" ready {now.ready}, withheld {now.withheld}, failed {now.failed},"
        f" outdated {now.outdated}, resting {now.resting}",
        soft_wrap=True,
    )
    for reason, count in now.reasons.items():
        out.print(f"  failed {reason}: {count}", soft_wrap=True)
    for reason, count in now.unread.items():
        out.print(f"  withheld {reason}: {count}", soft_wrap=True)
    out.print(f"recognizers {now.recognizers}", soft_wrap=True)
