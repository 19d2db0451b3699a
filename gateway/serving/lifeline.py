"""Nothing runs unwatched: a child ends with its parent."""

import ctypes
import signal


def die_with_parent() -> None:
    """Has the kernel send this process SIGTERM when its parent is gone (Linux, prctl(2))."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
