"""Entry point: gathers the commands and turns typed errors into one sentence and an exit code."""

import os
import sys

import psycopg
import typer

from audit.errors import AuditError, TamperedError
from gateway.cli import (
    audit,
    authorities,
    cases,
    certificates,
    contracts,
    credentials,
    database,
    invitations,
    keys,
    offboarding,
    policy,
    policy_versions,
    proposals,
    redact,
    serve,
    vendors,
)
from gateway.cli.console import complain
from gateway.errors import GatewayError
from gateway.logs import configure_logs
from gateway.redaction.errors import RedactionError
from keys.errors import KeyManagementError
from policies.errors import PolicyError

app = typer.Typer(
    name="casegate",
    help="The door between a lender and its outsourced collection vendors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
serve.add_to(app)
redact.add_to(app)
policy_versions.add_to(policy.app)
app.add_typer(cases.app, name="cases")
app.add_typer(vendors.app, name="vendor")
invitations.add_to(vendors.app)
offboarding.add_to(vendors.app)
app.add_typer(offboarding.reports, name="report")
app.add_typer(contracts.app, name="contract")
app.add_typer(proposals.app, name="proposals")
app.add_typer(certificates.app, name="cert")
app.add_typer(credentials.app, name="credential")
app.add_typer(credentials.systems, name="system")
app.add_typer(authorities.app, name="ca")
app.add_typer(audit.app, name="audit")
app.add_typer(policy.app, name="policy")
app.add_typer(database.app, name="db")
app.add_typer(keys.app, name="keys")

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
