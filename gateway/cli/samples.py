"""`casegate sample-portfolio`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.cli.console import DEFAULT_CONFIG, ConfigOption, JSONOption, err, out, print_json
from gateway.portfolio.sample import write_sample_portfolio


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("sample-portfolio")(sample_portfolio)


def sample_portfolio(
    count: Annotated[int, typer.Argument(min=1, max=10_000_000, help="How many cases.")],
    file: Annotated[Path, typer.Argument(help="FILE.csv or FILE.ndjson.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same cases.")] = 1,
    encoding: Annotated[str, typer.Option(help="utf-8, utf-8-sig or gb18030.")] = "utf-8",
    _config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Write invented but believable Chinese cases, for trials and benchmarks."""
    if encoding not in {"utf-8", "utf-8-sig", "gb18030"}:
        raise typer.BadParameter("write utf-8, utf-8-sig or gb18030", param_hint="--encoding")
    with Progress(
        TextColumn("writing"), BarColumn(), MofNCompleteColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task("write", total=count)
        try:
            write_sample_portfolio(
                count,
                file,
                seed=seed,
                encoding=encoding,
                progress=lambda done: bar.update(task, completed=done),
            )
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from error
    if as_json:
        print_json({"cases": count, "file": str(file)})
    else:
        out.print(f"{count} cases in {file}", soft_wrap=True)
