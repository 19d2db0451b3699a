"""`python -m gateway.cli`, the same as `casegate`."""

from gateway.cli.main import main

main()
