import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.findings.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:7:1::5", "2001:db8:7::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        (None, None),
        ("", None),
        ("testclient", None),
    ],
)
def test_an_address_is_known_by_its_network_alone(
    address: str | None, network: str | None
) -> None:
    assert network_of(address) == network


@given(address=st.ip_addresses())
def test_an_address_lies_in_its_network_with_others(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    network = ipaddress.ip_network(network_of(str(address)) or "")

    mapped = getattr(address, "ipv4_mapped", None) or address
    assert mapped in network
    assert network.num_addresses >= 256
