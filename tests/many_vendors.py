"""An installation with more vendors and agents than a sandbox has, each bound as alpha is."""

import shutil
from collections.abc import Sequence
from functools import partial
from importlib.resources import as_file
from pathlib import Path

import pytest

from gateway.trial import sandbox
from gateway.trial.call_centre import open_call_centre
from policies.load import packaged_directory
from tests.installation import Installation


def make_installation(
    directory: Path, *, vendors: Sequence[str], cases: int, agents: int
) -> Installation:
    """Makes one on a working morning: `vendors` beside alpha and beta, `agents` of each."""
    files = directory.with_name(f"{directory.name}-policies")
    with as_file(packaged_directory()) as packaged:
        shutil.copytree(packaged, files)
    for vendor in vendors:
        for folder in ("vendors", "contracts"):
            known = next((files / folder).glob("alpha*.yaml"))
            copy = known.with_name(known.name.replace("alpha", vendor))
            copy.write_text(known.read_text().replace("alpha", vendor))
    named = {**sandbox.VENDORS, **{vendor: f"{vendor}（样例）" for vendor in vendors}}
    opened = partial(open_call_centre, agents=agents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "VENDORS", named)
        patch.setattr(sandbox, "packaged_directory", lambda: files)
        patch.setattr(sandbox, "open_call_centre", opened)
        return Installation.make(directory, cases=cases, calls=True)
