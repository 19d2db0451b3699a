"""Fifty rows of a hundred thousand cases: the figure for the README, and the right vendor."""

import random
from time import monotonic

import orjson
import pytest

from policies.fields import Stage
from tests.gateway.tracing.stage import Pulled, pulled

CASES_A_VENDOR = 50_000
LEAKED = 50


@pytest.fixture(scope="module")
def stage(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Pulled:
    return pulled(postgres_url, tmp_path_factory.mktemp("lender"), cases=CASES_A_VENDOR)


@pytest.mark.long
@pytest.mark.parametrize("vendor", ["alpha", "beta"])
def test_fifty_masked_rows_lead_to_their_vendor(stage: Pulled, vendor: str) -> None:
    projection = stage.projection(vendor, Stage.BULK)
    chosen = set(random.Random(7).sample(range(CASES_A_VENDOR), LEAKED))
    leaked = [
        projection.apply(record)
        for number, record in enumerate(stage.records(vendor))
        if number in chosen
    ]
    masked = "\n".join(
        f"{item['full_name']},{item['mobile_phone']},{item.get('home_address', '')}"
        for item in leaked
    )
    whole = b"\n".join(map(orjson.dumps, leaked))
    for shape, content in (("masked", masked), ("as released", whole)):
        begin = monotonic()
        report = stage.trace(content)
        seconds = monotonic() - begin
        first = report.suspects[0]
        print(
            f"{vendor} {shape}: {seconds:.1f} s, {report.opened} cases opened, "
            f"{report.matched} matched, part {first.likelihood:.1%}"
        )

        assert first.vendor == vendor
        assert first.likelihood > 0.9
