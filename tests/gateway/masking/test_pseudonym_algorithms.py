"""SM3 in place of SHA-256, and what holds an installation to one of them."""

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.installation import release_profiles
from gateway.masking.key_checks import note_pseudonym_key, verify_pseudonym_keys
from gateway.masking.pseudonyms import PseudonymAlgorithm, PseudonymKey
from gateway.portfolio.identifiers import canonical_document, canonical_phone
from gateway.portfolio.sealing import contact_mac, person_mac
from gateway.store.database import connection_pool
from keys.secret import Secret
from tests.gateway.store.lender import HEADER, START, Lender, case_row

MASTER = bytes(range(32))
INDEX = Secret(bytes(32))
SM = PseudonymAlgorithm.HMAC_SM3


def test_sm3_is_the_one_of_the_standard() -> None:
    digest = Hash(SM3())
    digest.update(b"abc")

    # GB/T 32905-2016, annex A.1
    assert digest.finalize().hex() == (
        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    )


@given(st.text(), st.text())
def test_an_sm3_token_is_the_beginning_of_a_base32_hmac(kind: str, internal_key: str) -> None:
    info = b"casegate/pseudonym/v1" + b"\x00\x00\x00\x05alpha" + b"\x00\x00\x00\x06c-2026"
    mac = HMAC(HKDF(algorithm=SM3(), length=32, salt=None, info=info).derive(MASTER), SM3())
    mac.update(kind.encode() + b"\x00" + internal_key.encode())
    whole = base64.b32encode(mac.finalize()).decode()
    key = PseudonymKey.derive(MASTER, vendor="alpha", contract="c-2026", algorithm=SM)

    assert key.token(kind, internal_key) == whole[:26]


def test_the_check_value_tells_algorithms_and_contracts_apart() -> None:
    checks = {
        PseudonymKey.derive(MASTER, vendor="v", contract=contract, algorithm=algorithm).check
        for contract in ("c", "d")
        for algorithm in PseudonymAlgorithm
    }

    assert len(checks) == 4


@given(
    digits=st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    gap=st.sampled_from(["", " ", "-", "  "]),
    home=st.sampled_from(["", "+86", "0086 ", "86"]),
    width=st.sampled_from(["half", "full"]),
)
def test_one_number_is_one_person_however_it_is_written(
    digits: str, gap: str, home: str, width: str
) -> None:
    text = f"{home}{digits[:3]}{gap}{digits[3:7]}{gap}{digits[7:]}"
    if width == "full":
        text = text.translate(str.maketrans("0123456789-", "０１２３４５６７８９－"))

    assert contact_mac(INDEX, text) == contact_mac(INDEX, digits)
    assert contact_mac(INDEX, text) != contact_mac(
        INDEX, f"{digits[:-1]}{(int(digits[-1]) + 1) % 10}"
    )


@pytest.mark.parametrize(
    "text",
    ["11010519491231002x", " 110105 19491231 002X ", "１１０１０５１９４９１２３１００２Ｘ"],
)
def test_one_identity_number_is_one_person_however_it_is_written(text: str) -> None:
    assert person_mac(INDEX, text) == person_mac(INDEX, "11010519491231002X")


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_every_text_has_a_digest_and_its_canonical_form_the_same(text: str) -> None:
    assert canonical_phone(canonical_phone(text)) == canonical_phone(text)
    assert canonical_document(canonical_document(text)) == canonical_document(text)


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path / "lender")


def test_another_algorithm_or_key_is_noticed_before_a_case_gets_a_new_name(
    lender: Lender,
) -> None:
    settings = lender.database.settings
    lender.put(settings.directory / "a.csv", f"{HEADER}\n{case_row(1)}\n")
    changed = settings.model_copy(
        update={"keys": settings.keys.model_copy(update={"pseudonym_algorithm": "hmac-sm3"})}
    )
    lender.database = type(lender.database)(lender.database.owner_url, changed)

    with pytest.raises(ConfigurationError, match="has to stay hmac-sha256"):
        lender.put(settings.directory / "b.csv", f"{HEADER}\n{case_row(2)}\n")
    other = PseudonymKey.derive(bytes(32), vendor="alpha", contract="alpha-2026")
    with lender.role() as connection, pytest.raises(ConfigurationError, match="another key"):
        note_pseudonym_key(
            connection, "alpha", "alpha-2026", other, at=START + timedelta(seconds=1)
        )
    # A contract that has no case yet may begin with it.
    lender.put(settings.directory / "c.csv", f"{HEADER}\n{case_row(3)}\n", vendor="beta")
    assert lender.query(
        "SELECT contract_id, algorithm FROM casegate.pseudonym_key ORDER BY 1"
    ) == [
        ("alpha-2026", "hmac-sha256"),
        ("beta-2026", "hmac-sm3"),
    ]


def test_a_worker_with_other_keys_than_its_vendors_know_does_not_start(lender: Lender) -> None:
    directory = lender.database.settings.directory
    lender.put(directory / "a.csv", f"{HEADER}\n{case_row(1)}\n")
    right = release_profiles(lender.database.settings).pseudonym_key

    async def verify(key_of: Callable[[str, str], PseudonymKey]) -> None:
        async with connection_pool(lender.database.conninfo("vendor"), size=1) as pool:
            await verify_pseudonym_keys(pool, key_of)

    asyncio.run(verify(right))
    with pytest.raises(ConfigurationError, match="would all change"):
        asyncio.run(
            verify(
                lambda vendor, contract: PseudonymKey.derive(
                    MASTER, vendor=vendor, contract=contract
                )
            )
        )
