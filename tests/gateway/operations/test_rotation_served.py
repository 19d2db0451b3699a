"""Keys rotate while vendors pull: real processes, and not one failed call."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import jwt
import orjson
import pytest

from audit.checkpoint import open_checkpoint
from audit.errors import SignatureError
from audit.note import Ed25519Verifier
from gateway.installation import log_vkeys
from tests.installation import Installation
from tests.promises.ledger import log_size

pytestmark = pytest.mark.long

PULLERS = 4


@dataclass
class Load:
    """Counts answers by status, and the keys that signed the tokens they were asked with."""

    answers: Counter[int] = field(default_factory=Counter)
    kids: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def pull(self, installation: Installation, vendor: str) -> None:
        """Pulls pages, with a new token every few pulls and a new connection now and then."""
        while not self.stopping.is_set():
            try:
                with installation.vendor(vendor) as client:
                    token = client.headers["Authorization"].removeprefix("Bearer ")
                    self.kids.add(jwt.get_unverified_header(token)["kid"])
                    for _ in range(8):
                        answer = client.get("/v1/cases?limit=10")
                        self.answers[answer.status_code] += 1
                        if answer.status_code != 200:
                            self.failures.append(answer.text)
            except httpx.HTTPError as error:
                self.failures.append(repr(error))


@contextmanager
def _under_load(installation: Installation) -> Iterator[Load]:
    load = Load()
    threads = [
        threading.Thread(target=load.pull, args=(installation, vendor))
        for vendor in ("alpha", "beta") * (PULLERS // 2)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join(20)


def _said(installation: Installation, *arguments: str) -> dict[str, object]:
    done = installation.run("keys", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    content: dict[str, object] = orjson.loads(done.stdout)
    return content


@pytest.fixture
def served(own_installation: Installation) -> Iterator[Installation]:
    with own_installation.serving(workers=2):
        yield own_installation


def test_token_key_and_case_keys_rotate_under_load_without_a_failed_call(
    served: Installation,
) -> None:
    with _under_load(served) as load:
        time.sleep(0.5)
        tokens = _said(served, "rotate", "token-signing")
        case_keys = _said(served, "rotate", "kek")
        rewrapped = _said(served, "rewrap")
        retired = served.run("keys", "retire", "kek", "--key", str(case_keys["previous"]))
        time.sleep(0.5)

    print(f"{sum(load.answers.values())} pulls, {len(load.failures)} failed")
    assert load.failures == []
    assert set(load.answers) == {200}
    assert load.answers[200] > 50
    assert load.kids == {tokens["previous"], tokens["key"]}
    assert int(str(tokens["workers"])) >= 3
    assert (rewrapped["cases"], rewrapped["left"]) == (40, 0)
    assert retired.returncode == 0, retired.stderr
    with served.vendor("alpha") as client:
        keys = client.get("/.well-known/jwks.json").json()["keys"]
        assert client.get("/v1/cases?limit=10").status_code == 200
    assert keys[0]["kid"] == tokens["key"]
    assert {key["kid"] for key in keys} == load.kids


def test_a_token_of_a_key_that_retired_is_refused_and_retiring_waits_for_it(
    served: Installation,
) -> None:
    with served.vendor("alpha") as client:
        rotation = _said(served, "rotate", "token-signing")
        old = str(rotation["previous"])
        still = client.get("/v1/cases?limit=1")
        early = served.run("keys", "retire", "token-signing", "--key", old)
        with served.office().connection() as connection:
            connection.execute(
                "UPDATE casegate.key_age SET retired_at = retired_at - interval '11 minutes'"
                " WHERE retired_at IS NOT NULL"
            )
        late = served.run("keys", "retire", "token-signing", "--key", old)
        refused = client.get("/v1/cases?limit=1")
        fresh = served.token(client)
        client.headers["Authorization"] = f"Bearer {fresh}"
        served_again = client.get("/v1/cases?limit=1")

    assert still.status_code == 200
    assert early.returncode == 1
    assert "may still be in use" in early.stderr
    assert late.returncode == 0, late.stderr
    assert (refused.status_code, refused.json()["code"]) == (401, "TOKEN_INVALID")
    assert served_again.status_code == 200
    secrets = served.directory / "secrets"
    assert not list(secrets.glob("token-signing.ret*"))


def _newest_head(installation: Installation, *, after: int) -> str:
    """The newest signed head, once one is larger than a size."""
    for _ in range(100):
        with installation.office().connection() as connection:
            row = connection.execute(
                "SELECT size, note FROM audit.signed_head ORDER BY size DESC LIMIT 1"
            ).fetchone()
        if row is not None and row[0] > after:
            return str(row[1])
        time.sleep(0.1)
    pytest.fail("no head was signed")


def _is_signed_by(note: str, vkey: str, origin: str) -> bool:
    try:
        open_checkpoint(note, [Ed25519Verifier.from_text(vkey)], origin=origin)
    except SignatureError:
        return False
    return True


def test_the_log_is_signed_by_both_keys_until_the_old_one_retires_and_verifies_throughout(
    served: Installation,
) -> None:
    origin = served.settings.audit.origin
    (first,) = log_vkeys(served.settings)
    before = _newest_head(served, after=0)
    rotation = _said(served, "rotate", "log-signing")
    both = _newest_head(served, after=int(str(rotation["log_index"])))
    second, former = log_vkeys(served.settings)
    retired = served.run("keys", "retire", "log-signing", "--key", str(rotation["previous"]))
    with served.vendor("alpha") as client:
        client.get("/v1/cases?limit=1")
    time.sleep(1.5)
    alone = _newest_head(served, after=log_size(served) - 1)
    verified = served.run("audit", "verify", "--json")

    assert former == first != second
    assert _is_signed_by(before, first, origin)
    assert [_is_signed_by(both, vkey, origin) for vkey in (first, second)] == [True, True]
    assert retired.returncode == 0, retired.stderr
    assert [_is_signed_by(alone, vkey, origin) for vkey in (first, second)] == [False, True]
    assert set(log_vkeys(served.settings)) == {first, second}
    assert verified.returncode == 0, verified.stderr
    assert orjson.loads(verified.stdout)["heads"] > 2
    published = served.directory / "var/log/checkpoint"
    assert _is_signed_by(published.read_text(), second, origin)
