"""Boundary cases of hours, consent and counts: a sentence, a wish, what is known, the codes."""

from datetime import timedelta

import pytest

from policies.contact.model import (
    CallKind,
    ConsentScope,
    ContactRequest,
    PartyRole,
    Situation,
)
from tests.policies.contact.scene import (
    CHINA,
    FRIEND,
    HOME,
    LOAN,
    MONDAY,
    OWN,
    Case,
    agreed,
    at,
    past,
    situation,
    wish,
)

RED, AMBER, HOLIDAY = (
    "OUTSIDE_WINDOW_RED",
    "OUTSIDE_WINDOW_AMBER_NO_CONSENT",
    "HOLIDAY_NO_CONSENT",
)
DAY_CAP, NUMBER_CAP, ROLLING_CAP = "DAILY_CAP_REACHED", "NUMBER_CAP_REACHED", "ROLLING_CAP_REACHED"
EASTERN, PACIFIC = "America/New_York", "America/Los_Angeles"
HOUR = timedelta(hours=1)


def calls(day: str, *hours: str, result: str = "RPC_NO_COMMIT", **changes: object) -> Situation:
    """A history of calls at these hours of a day in China."""
    found = tuple(past(at(f"{day} {hour}"), result, **changes) for hour in hours)  # type: ignore[arg-type]
    return situation(history=found)


AMBER_SAID = agreed(
    ConsentScope.AMBER_TIME,
    at("2026-11-28 18:30"),
    captured=MONDAY,
    point=OWN,
    debt="debt-card",
)
EVENING = wish(at("2026-11-28 19:00"), reason="RING_ME_THEN")
NIGHT_SAID = agreed(ConsentScope.RED_TIME, at("2026-11-23 22:00"), captured=MONDAY)
NIGHT = wish(at("2026-11-23 22:00"), reason="RING_ME_THEN")
CALLED = situation(history=(past(at("2026-06-01 12:00", EASTERN), "INBOUND"),))
US = ("us-regf",)


def us(text: str, zone: str = EASTERN, *zones: str) -> ContactRequest:
    """A wish in the United States."""
    return wish(at(text, zone), zones=zones or (zone,))


def seven(*days: str, zone: str = EASTERN, **changes: object) -> Situation:
    """Unanswered calls about one debt at these local times in the United States."""
    return situation(
        history=tuple(past(at(day, zone), "NO_ANSWER", **changes) for day in days)  # type: ignore[arg-type]
    )


SEVEN = tuple(f"2026-06-01 {hour:02}:30" for hour in range(9, 16))

WINDOWS = (
    Case("A working day at ten", wish()),
    Case("The last instant before night", wish(at("2026-11-23 21:59:59.999")), codes=(AMBER,)),
    Case("Night begins at 22:00:00.000", wish(at("2026-11-23 22:00")), codes=(RED,)),
    Case("07:59:59.999999 is night", wish(at("2026-11-23 07:59:59.999999")), codes=(RED,)),
    Case("08:00 is early, not night", wish(at("2026-11-23 08:00")), codes=(AMBER,)),
    Case("08:59:59.999999 is early", wish(at("2026-11-23 08:59:59.999999")), codes=(AMBER,)),
    Case("09:00 is green", wish(at("2026-11-23 09:00"))),
    Case("17:59:59.999999 is green", wish(at("2026-11-23 17:59:59.999999"))),
    Case("18:00 is after work", wish(at("2026-11-23 18:00")), codes=(AMBER,)),
    Case(
        "The packs of the law alone allow 21:59:59.999",
        wish(at("2026-11-23 21:59:59.999")),
        packs=("cn-cba-2026", "cn-gbt45251-2025"),
    ),
    Case("National Day", wish(at("2026-10-01 10:00")), codes=(HOLIDAY,)),
    Case("An ordinary Saturday", wish(at("2026-11-21 10:00")), codes=(HOLIDAY,)),
    Case("A make-up Saturday is a working day", wish(at("2026-10-10 10:00"))),
    Case("A make-up Sunday too", wish(at("2026-09-20 10:00"))),
    Case("A make-up Saturday after work", wish(at("2026-10-10 18:00")), codes=(AMBER,)),
    Case("A leap day is a day", wish(at("2028-02-29 10:00"))),
    Case("A half holiday is a working day", wish(at("2027-03-08 15:00"))),
    Case("Ten in Urumqi's own zone is eight there", wish(zones=("Asia/Urumqi",)), codes=(AMBER,)),
    Case("Two zones: both have to be green", wish(zones=(CHINA, "Asia/Urumqi")), codes=(AMBER,)),
    Case("A zone that nobody knows", wish(zones=(CHINA, "Asia/Nowhere")), codes=(RED,)),
)
CONSENTS = (
    Case("Said on Monday for Saturday evening", EVENING, situation(consents=(AMBER_SAID,))),
    Case(
        "The same without a reason",
        wish(EVENING.at),
        situation(consents=(AMBER_SAID,)),
        (HOLIDAY,),
    ),
    Case(
        "The same for another number",
        wish(EVENING.at, reason="X", point=HOME),
        situation(consents=(AMBER_SAID,)),
        (HOLIDAY,),
    ),
    Case(
        "The same for another debt",
        wish(EVENING.at, reason="X", debt=LOAN),
        situation(consents=(AMBER_SAID,)),
        (HOLIDAY,),
    ),
    Case(
        "An instant before it begins",
        wish(at("2026-11-28 18:29:59.999999"), reason="X"),
        situation(consents=(AMBER_SAID,)),
        (HOLIDAY,),
    ),
    Case(
        "When it begins",
        wish(at("2026-11-28 18:30"), reason="X"),
        situation(consents=(AMBER_SAID,)),
    ),
    Case(
        "When it is over",
        wish(at("2026-11-28 22:30"), reason="X"),
        situation(consents=(AMBER_SAID,)),
        (RED,),
    ),
    Case(
        "Said in the very call",
        wish(at("2026-11-23 19:00"), reason="X"),
        situation(
            consents=(
                agreed(
                    ConsentScope.AMBER_TIME,
                    at("2026-11-23 19:00"),
                    captured=at("2026-11-23 19:00"),
                ),
            )
        ),
        (AMBER,),
    ),
    Case(
        "Said an instant before",
        wish(at("2026-11-23 19:00"), reason="X"),
        situation(
            consents=(
                agreed(
                    ConsentScope.AMBER_TIME,
                    at("2026-11-23 19:00"),
                    captured=at("2026-11-23 18:59:59.999999"),
                ),
            )
        ),
    ),
    Case(
        "On the seventh day",
        wish(at("2026-11-29 10:00"), reason="X"),
        situation(
            consents=(agreed(ConsentScope.AMBER_TIME, at("2026-11-29 08:00"), captured=MONDAY),)
        ),
    ),
    Case(
        "On the eighth day",
        wish(at("2026-11-30 08:30"), reason="X"),
        situation(
            consents=(agreed(ConsentScope.AMBER_TIME, at("2026-11-30 08:00"), captured=MONDAY),)
        ),
        (AMBER,),
    ),
    Case("Agreed for the night, by day", NIGHT, situation(consents=(NIGHT_SAID,))),
    Case(
        "Agreed for the night, by night",
        wish(at("2026-11-23 22:30"), reason="X"),
        situation(
            consents=(
                agreed(
                    ConsentScope.RED_TIME, at("2026-11-23 22:20"), captured=at("2026-11-23 22:10")
                ),
            )
        ),
        (RED,),
    ),
    Case(
        "The evening's consent is none for the night",
        wish(at("2026-11-28 22:00"), reason="X"),
        situation(consents=(AMBER_SAID,)),
        (RED,),
    ),
    Case(
        "The debtor's consent is none for a friend's number",
        wish(at("2026-11-23 19:00"), reason="X", party=PartyRole.CONTACT, point=FRIEND),
        situation(
            consents=(agreed(ConsentScope.AMBER_TIME, at("2026-11-23 18:00"), captured=MONDAY),),
            facts=frozenset({"debtor_deceased"}),
        ),
        (AMBER,),
    ),
)
TUESDAY = wish(at("2026-11-24 15:00"))
NOTICE = wish(TUESDAY.at, kind=CallKind.NOTIFY)
THREE = ("09:00", "10:00", "11:00")
SIX = (*THREE, "12:00", "13:00", "14:00")
NOTICES = calls("2026-11-24", *THREE, result="CONNECT_DROP", kind=CallKind.NOTIFY)
MORE = agreed(ConsentScope.EXTRA_CALLS, at("2026-11-24 14:00"), captured=MONDAY)
CAPS = (
    Case("Two talks leave one", TUESDAY, calls("2026-11-24", "09:00", "10:00")),
    Case(
        "Three talks, whoever had them",
        TUESDAY,
        calls("2026-11-24", *THREE, debt=LOAN, point=HOME),
        (DAY_CAP,),
    ),
    Case("Three talks leave a notice", NOTICE, calls("2026-11-24", *THREE)),
    Case("Three notices leave no fourth", NOTICE, NOTICES, (DAY_CAP,)),
    Case(
        "Three talks of yesterday, one before midnight here",
        wish(at("2026-11-25 09:00")),
        calls("2026-11-24", "09:00", "10:00", "23:59:59.999999"),
    ),
    Case(
        "The day is the debtor's: midnight here is noon at the server's",
        wish(at("2026-11-25 09:00")),
        calls("2026-11-25", "00:00:00", "00:00:01", "00:00:02"),
        (DAY_CAP,),
    ),
    Case("Consent to more notices", NOTICE, situation(history=NOTICES.history, consents=(MORE,))),
    Case(
        "Consent to more is none to more talks",
        TUESDAY,
        situation(history=calls("2026-11-24", *THREE).history, consents=(MORE,)),
        (DAY_CAP,),
    ),
    Case(
        "Six tries leave none",
        TUESDAY,
        calls("2026-11-24", *SIX, result="NO_ANSWER"),
        (NUMBER_CAP,),
    ),
    Case("Five tries leave the sixth", TUESDAY, calls("2026-11-24", *SIX[:5], result="BUSY")),
    Case(
        "Six tries at another number",
        wish(TUESDAY.at, point=HOME),
        calls("2026-11-24", *SIX, result="NO_ANSWER"),
    ),
    Case(
        "After a refusal not on that day",
        TUESDAY,
        calls("2026-11-24", "09:00", result="RPC_REFUSE"),
        ("COOLDOWN",),
    ),
    Case(
        "After a refusal on the next",
        wish(at("2026-11-25 09:00")),
        calls("2026-11-24", "17:59", result="RPC_REFUSE"),
    ),
    Case(
        "Who says it is paid is left alone the next day",
        wish(at("2026-11-25 09:00")),
        calls("2026-11-24", "10:00", result="RPC_CLAIM_PAID"),
        ("COOLDOWN",),
    ),
)
ABROAD = (
    Case("21:00:00 is not after 21:00", us("2026-06-01 21:00:00"), packs=US),
    Case("21:00:00.999999 is not either", us("2026-06-01 21:00:00.999999"), packs=US),
    Case("21:00:01 is", us("2026-06-01 21:00:01"), codes=(RED,), packs=US),
    Case("08:00 in New York", us("2026-06-01 08:00"), packs=US),
    Case(
        "08:00 in New York is 05:00 in California",
        us("2026-06-01 08:00", EASTERN, EASTERN, PACIFIC),
        codes=(RED,),
        packs=US,
    ),
    Case(
        "11:00 in New York is 08:00 in California",
        us("2026-06-01 11:00", EASTERN, EASTERN, PACIFIC),
        packs=US,
    ),
    Case(
        "Clocks forward: 13:00 UTC has become 09:00",
        wish(at("2026-03-08 12:00", "UTC"), zones=(EASTERN,)),
        packs=US,
    ),
    Case(
        "The day before it was 07:00",
        wish(at("2026-03-07 12:00", "UTC"), zones=(EASTERN,)),
        codes=(RED,),
        packs=US,
    ),
    Case(
        "Clocks back: 12:00 UTC is 07:00 again",
        wish(at("2026-11-01 12:00", "UTC"), zones=(EASTERN,)),
        codes=(RED,),
        packs=US,
    ),
    Case(
        "The day before it was 08:00",
        wish(at("2026-10-31 12:00", "UTC"), zones=(EASTERN,)),
        packs=US,
    ),
    Case(
        "An eighth call in seven days", us("2026-06-02 10:00"), seven(*SEVEN), (ROLLING_CAP,), US
    ),
    Case("A seventh", us("2026-06-02 10:00"), seven(*SEVEN[:6]), packs=US),
    Case(
        "The eighth on the seventh day, late",
        us("2026-06-07 20:30"),
        seven(*SEVEN),
        (ROLLING_CAP,),
        US,
    ),
    Case("The eighth a week later, early", us("2026-06-08 08:00"), seven(*SEVEN), packs=US),
    Case(
        "The eighth about another debt",
        wish(at("2026-06-02 10:00", EASTERN), zones=(EASTERN,), debt=LOAN),
        seven(*SEVEN),
        packs=US,
    ),
    Case(
        "Calls agreed beforehand do not count",
        us("2026-06-02 10:00"),
        seven(*SEVEN, is_exempt=True),
        packs=US,
    ),
    Case(
        "Nor one to a number that is none",
        us("2026-06-02 10:00"),
        situation(
            history=(*seven(*SEVEN[:6]).history, past(at(SEVEN[6], EASTERN), "INVALID_NUMBER"))
        ),
        packs=US,
    ),
    Case(
        "The debtor called: not on the sixth day",
        us("2026-06-06 10:00"),
        CALLED,
        ("COOLDOWN",),
        US,
    ),
    Case("Nor on the seventh", us("2026-06-07 20:59"), CALLED, ("COOLDOWN",), US),
    Case("But on the eighth", us("2026-06-08 08:00"), CALLED, packs=US),
    Case(
        "The talk was about another debt",
        wish(at("2026-06-02 10:00", EASTERN), zones=(EASTERN,), debt=LOAN),
        situation(history=(past(at("2026-06-01 12:00", EASTERN)),)),
        packs=US,
    ),
    Case(
        "British rules alone have no hours",
        wish(at("2026-06-01 23:00", "Europe/London"), zones=("Europe/London",)),
        packs=("uk-conc7",),
    ),
    Case(
        "But a dispute stops",
        wish(zones=("Europe/London",)),
        situation(holds=frozenset({"dispute_amount"})),
        ("HOLD",),
        ("uk-conc7",),
    ),
)
TABLE = (*WINDOWS, *CONSENTS, *CAPS, *ABROAD)


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.sentence)
def test_each_boundary_falls_on_its_side(case: Case) -> None:
    case.verify()


def test_every_sentence_of_the_table_is_there_once() -> None:
    assert len({case.sentence for case in TABLE}) == len(TABLE) >= 60
