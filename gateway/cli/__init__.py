"""The command line. Exit codes: 0 done, 1 refused or failed, 2 wrong use."""

from gateway.cli.main import main

__all__ = ["main"]
