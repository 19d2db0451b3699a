"""Row: a case file imported, against COPY of the same rows into a bare table."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic

import psycopg
from psycopg import sql

from gateway.office import Office
from gateway.portfolio.sample import SAMPLE_FIELDS, write_sample_portfolio
from tests.bench.harness import Sample, Target, middle
from tests.bench.stand import Stand

_VENDOR, _CONTRACT = "beta", "beta-2026"
_CHUNK_BYTES = 1 << 20
_FIRST_SEED = 40_000


class Importing:
    """Parsed, checked, sealed row by row, assigned and logged; the peer keeps text as it comes."""

    name = "import"
    unit = "rows/s"
    target = Target(5_000.0)
    has_warmup = False

    _office: Office
    _folder: Path
    _rows: int
    _seeds: Iterator[int]
    _latest: Path
    _row_bytes: float

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._office = stand.installation.office()
        self._folder = stand.directory / "imports"
        self._folder.mkdir()
        self._rows = stand.import_rows
        self._seeds = count(_FIRST_SEED)
        columns = sql.SQL(", ").join(
            sql.SQL("{} text").format(sql.Identifier(name)) for name in SAMPLE_FIELDS
        )
        with self._owner() as connection:
            connection.execute(sql.SQL("CREATE TABLE bare_import ({})").format(columns))
        yield
        with self._owner() as connection:
            connection.execute("DROP TABLE bare_import")

    def ours(self) -> Sample:
        self._latest = self._folder / "portfolio.csv"
        write_sample_portfolio(self._rows, self._latest, seed=next(self._seeds))
        self._row_bytes = self._latest.stat().st_size / self._rows
        rejects = self._folder / "portfolio.rejected.csv"
        begin = monotonic()
        report = self._office.import_file(
            self._latest, _VENDOR, _CONTRACT, actor="cli:bench", rejects=rejects
        )
        elapsed = monotonic() - begin
        if report.assigned != self._rows:
            raise RuntimeError(f"only {report.assigned} of {self._rows} rows were assigned")
        return Sample(self._rows / elapsed)

    def peer(self) -> Sample:
        with self._owner() as connection:
            connection.execute("TRUNCATE bare_import")
            begin = monotonic()
            with (
                self._latest.open("rb") as file,
                connection.cursor() as cursor,
                cursor.copy("COPY bare_import FROM STDIN (FORMAT csv, HEADER true)") as copy,
            ):
                while chunk := file.read(_CHUNK_BYTES):
                    copy.write(chunk)
            elapsed = monotonic() - begin
            found = connection.execute("SELECT count(*) FROM bare_import").fetchone()
        if found != (self._rows,):
            raise RuntimeError("the peer's table does not hold the file")
        return Sample(self._rows / elapsed)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        return (
            f"{len(ours)} files of {self._rows:,} rows, {self._row_bytes:.0f} bytes a row,"
            " one process"
        )

    def _owner(self) -> psycopg.Connection:
        return psycopg.connect(self._office.database.owner_url, autocommit=True)
