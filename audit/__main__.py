"""Lets `python -m audit` run the auditor's command."""

from audit.cli import main

if __name__ == "__main__":
    main()
