"""Work that PostgreSQL gave up, because two waited for each other, is done once more."""

from collections.abc import Callable
from typing import TypeVar

import psycopg

Given = TypeVar("Given")


def once_more(work: Callable[[], Given]) -> Given:
    """Does work, and again where a deadlock ended it: then nothing of it has happened.

    `work` is one transaction, or opens a connection of its own. The other of the two has gone on
    meanwhile, so that a second deadlock is another pair's; that one is raised.

    Raises:
        psycopg.errors.DeadlockDetected: it came twice.
    """
    try:
        return work()
    except psycopg.errors.DeadlockDetected:
        return work()
