"""Entry point: runs a command and turns typed errors into one sentence and an exit code."""

import os
import sys

import psycopg
import typer

from audit.errors import AuditError, TamperedError
from gateway.cli.catalog import CommandGroup
from gateway.cli.console import complain
from gateway.errors import GatewayError
from gateway.logs import configure_logs
from gateway.redaction.errors import RedactionError
from keys.errors import KeyManagementError
from policies.errors import PolicyError

# Which commands there are stands in the catalog.
app = typer.Typer(
    name="casegate",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def casegate() -> None:
    """The door between a lender and its outsourced collection vendors."""


EXIT_FAILED = 1


def main() -> None:
    """Runs a command."""
    configure_logs()
    try:
        app()
    except TamperedError as error:
        complain(f"TAMPERED: {error}")
        sys.exit(EXIT_FAILED)
    except (
        GatewayError,
        KeyManagementError,
        PolicyError,
        AuditError,
        RedactionError,
    ) as error:
        complain(str(error))
        sys.exit(EXIT_FAILED)
    except psycopg.Error as error:
        # Its text may quote a row; the code names the fault well enough.
        complain(f"PostgreSQL refused or went away (SQLSTATE {error.sqlstate or 'none'})")
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except OSError as error:
        what = "a file" if error.filename is None else str(error.filename)
        complain(f"{what} cannot be used ({error.strerror}); check its name and permissions")
        sys.exit(EXIT_FAILED)
