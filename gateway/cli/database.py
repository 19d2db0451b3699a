"""`casegate db …`."""

import typer

from gateway.cli.console import DEFAULT_CONFIG, ConfigOption, JSONOption, out, print_json
from gateway.settings import load_settings
from gateway.store.database import locate_database
from gateway.store.migrate import migrate

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def database() -> None:
    """The database."""


@app.command("migrate")
def migrate_database(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Bring the database to this version and make its roles; safe to repeat."""
    located = locate_database(load_settings(config))
    migrate(located)
    if as_json:
        print_json({"migrated": True, "database": located.name})
    else:
        out.print(f"database {located.name} is at this version")
