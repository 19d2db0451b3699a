"""From which network a request came: enough to tell two places apart, too little for a person."""

from ipaddress import ip_address, ip_network

_PREFIXES = {4: 24, 6: 48}


def network_of(address: str | None) -> str | None:
    """The network of an address, as 203.0.113.0/24 or 2001:db8:7::/48; None of what is no address.

    An IPv4 address that came over IPv6 (::ffff:203.0.113.9) is in its IPv4 network.
    """
    if address is None:
        return None
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    known = getattr(known, "ipv4_mapped", None) or known
    return str(ip_network((known, _PREFIXES[known.version]), strict=False))
