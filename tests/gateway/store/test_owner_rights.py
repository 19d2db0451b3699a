"""Functions that run with their owner's rights run nothing that a caller has made."""

import psycopg
import pytest

from tests.gateway.store.lender import Lender


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


def test_functions_with_the_owners_rights_look_at_temporary_names_last(lender: Lender) -> None:
    paths = lender.query(
        "SELECT array_agg(p.proname::text), substr(c, 13) FROM pg_proc p"
        " LEFT JOIN LATERAL unnest(p.proconfig) c ON starts_with(c, 'search_path=')"
        " WHERE p.pronamespace::regnamespace::text IN ('casegate', 'audit', 'oversight')"
        " AND p.prosecdef GROUP BY 2"
    )

    assert [path for _names, path in paths] == ["pg_catalog, pg_temp"], paths


def test_no_role_makes_the_owner_run_what_it_wrote(lender: Lender) -> None:
    ran: list[str] = []
    with psycopg.connect(lender.database.conninfo("vendor"), autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: ran.append(str(notice.message_primary)))
        connection.execute(
            "CREATE FUNCTION pg_temp.grab(v pg_catalog.text) RETURNS boolean LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE WARNING 'as %', current_user; RETURN true; END $$"
        )
        connection.execute(
            "CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.grab(VALUE))"
        )
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT casegate.leave_agent('alpha', 'alpha-2026', 'x', now())")

    assert ran == []
