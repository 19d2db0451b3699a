"""The demo."""

from rich.console import Console


def run_demo(out: Console) -> int:
    """Placeholder."""
    out.print("not yet")
    return 1
