"""Times in requests: with their zone, and within what every clock and the database can tell."""

from datetime import UTC, datetime
from typing import Annotated

from annotated_types import Ge, Lt
from pydantic import AwareDatetime

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
# Beyond are mistakes; at the ends of the calendar a time has no like in another zone.
Moment = Annotated[AwareDatetime, Ge(EARLIEST), Lt(LATEST)]
