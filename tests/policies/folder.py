"""A folder of policies with a contract, a profile and a pack, for tests that spoil one of them."""

from pathlib import Path

POLICY = """\
policy: gamma-2026
vendor: gamma
contract: gamma-2026
term: { from: 2026-01-01, to: 2026-12-31 }
purposes: [DEBT_COLLECTION_TEL]
inherits: short
stages:
  bulk:
    full_name: redact
"""
CONTRACT = """\
contract: gamma-2026
vendor: gamma
signed: 2025-12-18
document_sha256: aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f
term: { from: 2026-01-01, to: 2026-12-31 }
purposes: [DEBT_COLLECTION_TEL]
networks: [203.0.113.0/24]
where: { stage: [M1, M2], hold: none }
quotas: { pull_cases_per_day: 500, reveals_per_day: 50, reveals_per_agent_day: 10 }
free_text: codes
numbers: reveal_once
stages:
  bulk:
    case_ref: pseudonym
    full_name: partial name
    home_phone: partial phone_cn
    mobile_phone: partial phone_cn
  permit:
    full_name: clear
    mobile_phone: clear
"""
PROFILE = """\
profile: short
stages:
  bulk:
    case_ref: pseudonym
    full_name: partial name
    mobile_phone: partial phone_cn
"""
PACK = """\
pack:
  id: test-law
  version: "1"
  source: "A law made up for tests"
  effective_from: 2026-03-01
  effective_to: null
  status: unverified
rules:
  - { id: law.home, kind: data_scope, fields: [home_phone], stages: [bulk], widest: drop }
  - { id: law.hours, kind: time_window, effect: deny, from: "22:00:00", to: "08:00:00" }
"""
# What gamma's contract asks of every policy under it.
INSIDE = """\
networks: [203.0.113.0/28]
where: { stage: [M1], hold: none }
quotas: { pull_cases_per_day: 500 }
"""


def write_folder(
    folder: Path,
    *,
    policy: str = POLICY + INSIDE,
    contract: str = CONTRACT,
    profile: str = PROFILE,
    pack: str = PACK,
) -> Path:
    """Write the files, spoiled or not; returns the folder."""
    for name, text in (
        ("gamma.yaml", policy),
        ("contracts/gamma-2026.yaml", contract),
        ("profiles/short.yaml", profile),
        ("packs/test-law.yaml", pack),
    ):
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder
