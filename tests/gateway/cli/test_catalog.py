"""The catalog of commands: each word loads its own part, and a heavy library only where used."""

import subprocess
import sys

import orjson
from typer.testing import CliRunner

from gateway.cli.catalog import WORDS
from gateway.cli.main import app

# What none of the commands needs before it does its work.
HEAVY = ("presidio_analyzer", "onnxruntime", "reportlab", "alembic", "sqlalchemy", "boto3")
# Commands that exist to talk of the API or to a device.
EXEMPT = {"openapi", "ca"}
PROGRAM = """
import sys
import orjson
from gateway.cli.catalog import WORDS, CommandGroup
heavy, exempt = orjson.loads(sys.argv[1])
commands = CommandGroup(name="casegate").commands
found = {}
for word in [*(word for word in WORDS if word not in exempt), *exempt]:
    commands[word]
    names = heavy if word in exempt else [*heavy, "fastapi", "uvicorn", "pkcs11", "holidays"]
    found[word] = [name for name in names if name in sys.modules]
print(orjson.dumps(found).decode())
"""


def test_no_command_loads_what_it_does_not_use() -> None:
    arguments = orjson.dumps([HEAVY, sorted(EXEMPT)]).decode()
    outcome = subprocess.run(
        [sys.executable, "-c", PROGRAM, arguments], capture_output=True, text=True, check=True
    )

    assert orjson.loads(outcome.stdout) == {word: [] for word in WORDS}


def test_one_command_does_not_load_another() -> None:
    program = (
        "import sys; from gateway.cli.main import app\n"
        "try: app(['db', '--help'])\n"
        "except SystemExit: print('gateway.cli.database' in sys.modules,"
        " [name for name in sys.modules if name.startswith('gateway.cli.v')])"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert outcome.stdout.splitlines()[-1] == "True []"


def test_a_word_that_is_nearly_one_is_guessed() -> None:
    outcome = CliRunner().invoke(app, ["vendr"])

    assert outcome.exit_code == 2
    assert "Did you mean 'vendor'" in outcome.output


def test_help_lists_every_word() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output

    assert not [word for word in WORDS if f"\n  {word} " not in listed]
