import asyncio
from pathlib import Path

import orjson
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from gateway.errors import ConfigurationError
from gateway.sections import DatabaseSettings
from gateway.settings import Settings
from gateway.store.database import Database, connect, connection_pool, locate_database
from gateway.store.embedded import (
    MAX_CONNECTIONS,
    ensure_database,
    start_embedded,
    stop_embedded,
)
from gateway.store.roles import PURPOSES, ensure_passwords, read_passwords
from keys.secret import write_private_file
from tests.gateway.store.lender import Lender
from tests.installation import Installation


def _settings(installation: Installation, url: str | None) -> Settings:
    database = DatabaseSettings(url=url, embedded_directory=Path("var/postgres"))
    return installation.settings.model_copy(update={"database": database})


def test_a_malformed_url_is_refused_with_the_form_of_a_good_one(
    installation: Installation,
) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://USER:PASSWORD@HOST/DATABASE") as no:
        locate_database(_settings(installation, "not a url: secret-password"))

    assert "secret-password" not in str(no.value)


def test_the_embedded_server_says_loudly_that_it_is_for_trials(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    locate_database(_settings(installation, None))

    said = capsys.readouterr().err
    assert "FOR TRIALS ONLY" in said
    assert "CASEGATE_DATABASE_URL" in said


def test_an_embedded_server_that_does_not_start_names_its_log(tmp_path: Path) -> None:
    directory = tmp_path / "postgres"
    directory.mkdir()
    (directory / "PG_VERSION").write_text("9\n")

    with pytest.raises(ConfigurationError, match="its log is"):
        start_embedded(directory, announce=False)


def test_an_embedded_server_has_room_for_several_hosts_of_workers(
    open_directory: Path,
) -> None:
    directory = open_directory / "roomy"
    try:
        with psycopg.connect(start_embedded(directory, announce=False)) as connection:
            row = connection.execute("SHOW max_connections").fetchone()
    finally:
        stop_embedded(directory)

    assert row == (str(MAX_CONNECTIONS),)


def test_a_listener_that_nobody_asks_holds_one_connection(postgres_url: str) -> None:
    async def held_when_idle() -> int:
        async with connection_pool(postgres_url, size=8) as pool:
            await pool.wait()
            return int(pool.get_stats()["pool_size"])

    assert asyncio.run(held_when_idle()) == 1


def test_a_database_is_made_once_and_found_again(postgres_url: str) -> None:
    first = ensure_database(postgres_url, "made_once")

    assert ensure_database(postgres_url, "made_once") == first
    assert "made_once" in first


def test_each_role_gets_its_own_user_and_bounded_statements(installation: Installation) -> None:
    database = installation.database()
    infos = {purpose: database.conninfo(purpose) for purpose in PURPOSES}

    assert len(set(infos.values())) == len(PURPOSES)
    assert all("statement_timeout" in info for info in infos.values())
    assert "statement_timeout" not in database.conninfo("company", bounded=False)


def test_a_restored_copy_under_another_name_is_reached_with_the_roles_it_was_made_with(
    postgres_url: str, tmp_path: Path
) -> None:
    made = Lender.migrated(postgres_url, tmp_path / "made")
    copy = f"{made.database.name}_restored"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(copy), sql.Identifier(made.database.name)
            )
        )
    settings = made.database.settings
    copied = settings.database.model_copy(update={"roles": made.database.name})
    restored = Database(
        make_conninfo(postgres_url, dbname=copy), settings.model_copy(update={"database": copied})
    )

    with connect(restored.conninfo("vendor")) as connection:
        row = connection.execute(
            "SELECT has_function_privilege(current_user, p.oid, 'EXECUTE') FROM pg_proc p"
            " WHERE p.proname = 'append_batch'"
        ).fetchone()

    assert row == (True,)


def test_printing_a_database_shows_no_password(installation: Installation) -> None:
    url = "postgresql://owner:secret@db.example/casegate"

    assert repr(Database(url, installation.settings)) == "Database(…)"
    assert Database(url, installation.settings).name == "casegate"


def test_passwords_are_made_once_and_kept_to_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "database.json"

    first = ensure_passwords(path)

    assert ensure_passwords(path) == first
    assert set(first) == set(PURPOSES)
    assert len(set(first.values())) == len(PURPOSES)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not json", "casegate db migrate"),
        (b"[]", "not a file of passwords"),
        (orjson.dumps({"vendor": "x"}), "a password for each of"),
    ],
)
def test_a_broken_password_file_is_refused_with_the_way_out(
    content: bytes, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "database.json"
    write_private_file(path, content)

    with pytest.raises(ConfigurationError, match=why):
        read_passwords(path)


def test_missing_passwords_name_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="casegate db migrate"):
        read_passwords(tmp_path / "absent.json")


def test_a_role_that_a_later_version_brings_gets_its_password_and_the_others_keep_theirs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "database.json"
    before = ensure_passwords(path)
    older = {name: before[name] for name in PURPOSES[:-1]}
    path.unlink()
    write_private_file(path, orjson.dumps(older))

    after = ensure_passwords(path)

    assert {name: after[name] for name in older} == older
    assert set(after) == set(PURPOSES)
    assert path.stat().st_mode & 0o077 == 0
