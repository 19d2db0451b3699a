"""What is shipped: the wheel's content, and lock files that name no place to fetch from."""

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"gateway", "policies", "keys", "audit"}
SHIPPED = (*sorted(ROOMS), "tests", "deploy", "pyproject.toml", "README.md")
KEY = b"-----BEGIN %b-----\nplanted\n-----END %b-----\n" % ((b"PRIVATE KEY",) * 2)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files in a wheel built from a copy of the tree in which keys were left lying about."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(source, tree / name, ignore=ignored)
        else:
            shutil.copy(source, tree / name)
    for name in (
        "keys/ca.pem",
        "gateway/trial/server.key",
        "policies/vendors/a.p12",
        "audit/x.pfx",
    ):
        (tree / name).write_bytes(KEY)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "made"],
        cwd=tree,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (wheel,) = (tree / "made").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not any(KEY in archive.read(name) for name in archive.namelist())
        return archive.namelist()


def test_the_wheel_holds_the_four_rooms_and_nothing_else_at_the_top(names: list[str]) -> None:
    tops = {name.partition("/")[0] for name in names}

    assert {top for top in tops if not top.endswith(".dist-info")} == ROOMS


def test_every_module_of_the_rooms_is_in_the_wheel(names: list[str]) -> None:
    modules = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "__pycache__" not in path.parts
    }

    assert modules <= set(names)


@pytest.mark.parametrize(
    "needed",
    [
        "policies/catalog/fields.yaml",
        "policies/vendors/alpha.yaml",
        "policies/vendors/beta.yaml",
        "gateway/store/migrations/env.py",
        "gateway/store/migrations/versions/0001_foundation.py",
    ],
)
def test_data_that_is_read_at_run_time_is_in_the_wheel(names: list[str], needed: str) -> None:
    assert needed in names


def test_no_key_and_no_test_is_in_the_wheel_even_when_one_lies_in_the_tree(
    names: list[str],
) -> None:
    forbidden = re.compile(r"\.(pem|key|p12|pfx)$|(^|/)tests?(/|_)|__pycache__|\.rejected\.csv$")

    assert [name for name in names if forbidden.search(name)] == []


def test_the_two_commands_are_entry_points(names: list[str]) -> None:
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert 'casegate = "gateway.cli:main"' in pyproject
    assert 'casegate-audit = "audit.cli:main"' in pyproject


def test_no_dependency_brings_a_module_named_like_one_of_the_rooms() -> None:
    clashes = {
        distribution.name: sorted(tops)
        for distribution in distributions()
        if distribution.name != "casegate"
        and (
            tops := {
                str(file).partition("/")[0].removesuffix(".py")
                for file in distribution.files or ()
            }
            & ROOMS
        )
    }

    assert clashes == {}


LOCKS = [ROOT / "deploy" / f"requirements{part}.txt" for part in ("", "-dev")]
# Installed without their dependencies, so few; pinned by hash all the same.
ALL_LOCKS = [*LOCKS, ROOT / "deploy" / "requirements-models.txt"]


def _requirements(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    lines = [line.strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", ALL_LOCKS, ids=lambda path: str(path.name))
def test_a_lock_file_pins_every_requirement_by_hash(lock: Path) -> None:
    requirements = _requirements(lock.read_text())

    assert len(requirements) > 20 or lock not in LOCKS
    assert requirements
    for requirement in requirements:
        assert re.fullmatch(
            r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^\s;]+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+",
            re.sub(r" {2,}", " ", requirement),
        ), requirement[:60]


@pytest.mark.parametrize("lock", ALL_LOCKS, ids=lambda path: str(path.name))
def test_a_lock_file_names_no_place_to_fetch_from(lock: Path) -> None:
    text = lock.read_text().lower()

    for word in ("index-url", "find-links", "trusted-host", "://", " @ ", "-e "):
        assert word not in text, word


def test_both_lock_files_agree_where_they_overlap() -> None:
    pins = [
        dict(requirement.split(" ")[0].split("==", 1) for requirement in _requirements(text))
        for text in (lock.read_text() for lock in LOCKS)
    ]

    assert len(pins) == 2
    shared = pins[0].keys() & pins[1].keys()
    assert len(shared) > 20
    assert {name for name in shared if pins[0][name] != pins[1][name]} == set()


def test_every_declared_dependency_is_locked() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[\[><=~! ]", dependency, maxsplit=1)[0].lower().replace("_", "-")
        for dependency in project["dependencies"]
    }
    locked = {
        re.split(r"[\[= ]", requirement, maxsplit=1)[0].lower()
        for requirement in _requirements((ROOT / "deploy/requirements.txt").read_text())
    }

    assert declared - locked == set()
