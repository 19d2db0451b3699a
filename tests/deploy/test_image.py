"""The image's recipe, read for what must never be in it; it is not built here."""

import importlib.util
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path
from socket import create_server
from types import ModuleType

import pytest

from gateway.clock import SystemClock
from keys.authority import new_authority
from keys.profiles import Profile
from tests.installation import free_port

ROOT = Path(__file__).parents[2]
KEYS = (
    "ca/root.key",
    "var/sandbox/secrets/kek",
    "keys/issuing.pem",
    "gateway/x.p12",
    "deploy/a.key",
)
COPIED = {"pyproject.toml", "README.md", "gateway", "policies", "keys", "audit"}


@dataclass(frozen=True)
class Step:
    """One instruction of one stage."""

    stage: int
    word: str
    rest: str


def steps_of(text: str) -> list[Step]:
    """A Dockerfile's instructions, with continued lines joined."""
    joined = re.sub(r"\\\n", " ", "\n".join(x for x in text.splitlines() if x[:1] != "#"))
    steps: list[Step] = []
    stage = -1
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        steps.append(Step(stage, word, " ".join(rest.split())))
    return steps


STEPS = steps_of((ROOT / "deploy" / "Dockerfile").read_text())
LAST = max(step.stage for step in STEPS)


def of(word: str, stage: int | None = None) -> list[str]:
    return [s.rest for s in STEPS if s.word == word and stage in {None, s.stage}]


def is_ignored(path: str, rules: list[str]) -> bool:
    """As Docker reads .dockerignore: the last rule that fits a path or a folder above it holds."""
    ignored = False
    parts = path.split("/")
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        names = parts if "**/" in rule else above
        if pattern == "*" or any(fnmatch(name, pattern) for name in names):
            ignored = not rule.startswith("!")
    return ignored


def test_the_last_stage_runs_as_nobody_in_particular_and_by_number() -> None:
    assert of("USER", LAST) == ["10001:10001"]
    order = [step.word for step in STEPS if step.stage == LAST]
    assert order.index("USER") < order.index("ENTRYPOINT")
    assert not {"RUN", "COPY", "ADD"} & set(order[order.index("USER") :])


def test_only_named_parts_of_the_tree_are_copied_and_no_key_among_them() -> None:
    assert of("ADD") == []
    for rest in of("COPY"):
        *sources, _target = [word for word in rest.split() if not word.startswith("--")]
        if "--from=" in rest:
            assert sources in (["/wheels"], ["/opt/casegate"])
            continue
        for source in sources:
            assert source in COPIED or re.fullmatch(
                r"deploy/(requirements[a-z-]*\.txt|healthcheck\.py)", source
            ), source
            assert (ROOT / source).exists()


def test_no_secret_is_an_argument_or_in_the_environment() -> None:
    assert of("ARG") == ["BASE=python:3.11-slim-bookworm"]
    told = " ".join(of("ENV")).lower()
    assert not re.search(r"password|passphrase|secret|token|_url|pin=", told)


def test_every_package_is_pinned_by_hash_or_was_built_in_the_stage_before() -> None:
    installs = [found for run in of("RUN") for found in re.findall(r"pip install [^&]*", run)]
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-index --no-deps /wheels/" in install
    assert not re.search(r"curl|wget|apt-get|https?:", " ".join(of("RUN")))


def test_what_builds_it_stays_behind() -> None:
    froms = of("FROM")
    assert len(froms) == 3
    assert all(rest.startswith("${BASE}") for rest in froms)
    assert "requirements-dev" not in " ".join(of("COPY", LAST) + of("RUN", LAST))


def test_it_says_how_it_is_and_ends_on_a_word() -> None:
    (check,) = of("HEALTHCHECK", LAST)
    assert 'CMD ["python", "/opt/casegate/healthcheck.py", "8443"]' in check
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert (of("ENTRYPOINT"), of("CMD")) == (['["casegate"]'], ['["serve"]'])


def test_the_builder_is_sent_what_is_copied_and_never_a_key_or_data() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    for path in (*KEYS, ".git/config", "tests/conftest.py", "deploy/runbooks/vendor-ca.md"):
        assert is_ignored(path, rules), path
    for path in ("gateway/app.py", "keys/tokens.py", "deploy/requirements.txt", "README.md"):
        assert not is_ignored(path, rules), path
    for pattern in ("pem", "key", "p12", "pfx", "crt", "csr"):  # as .gitignore has them
        assert f"**/*.{pattern}" in rules


@pytest.fixture
def healthcheck() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthcheck", ROOT / "deploy/healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """A server that shakes hands once, without asking who comes."""
    now = SystemClock().now()
    end = now + timedelta(days=1)
    issued = new_authority("test", not_before=now, not_after=end).issue(
        Profile.GATEWAY_SERVER,
        common_name="localhost",
        not_before=now,
        not_after=end,
        dns_names=["localhost"],
    )
    (tmp_path / "server.pem").write_bytes(issued.certificate_pem + issued.private_key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def serve() -> None:
            accepted, _ = listening.accept()
            context.wrap_socket(accepted, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(10)


def test_health_is_a_handshake_and_a_bare_socket_is_none(
    healthcheck: ModuleType, tls_port: int
) -> None:
    assert healthcheck.is_alive(tls_port)
    assert not healthcheck.is_alive(free_port())
