"""The vendor's routes of complaints, notices, feedback and payment claims, together."""

from gateway.affairs.claims import ClaimDesk
from gateway.affairs.files import FilingDesk
from gateway.affairs.vendor_desk import VendorAffairs
from gateway.http.affair_files import add_filing
from gateway.http.application import GatewayAPI
from gateway.http.complaints import add_complaints
from gateway.http.payments import add_payments
from gateway.http.rectifications import add_rectifications


def add_affairs(
    api: GatewayAPI, affairs: VendorAffairs, claims: ClaimDesk, files: FilingDesk
) -> None:
    """Adds them."""
    add_complaints(api, affairs)
    add_rectifications(api, affairs)
    add_payments(api, claims)
    add_filing(api, files)
