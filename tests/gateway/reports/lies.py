"""Thirty-odd lies of a vendor's month: what is planted, and what has to be found."""

from collections.abc import Callable
from uuid import uuid4

from tests.gateway.reports.month import NOW, Month

_RECORD = "UPDATE casegate.call_record SET {} WHERE call_id = 'call-{}'"


def _in_record(call: int, change: str) -> Callable[[Month], None]:
    return lambda month: _touched(month, _RECORD.format(change, call))


def _touched(month: Month, statement: str, *values: object) -> None:
    assert month.run(statement, *values) > 0, statement


def _recalled(month: Month) -> None:
    _touched(
        month,
        "UPDATE casegate.assigned_case SET status = 'recalled', recalled_at ="
        " '2026-04-30T04:00:00Z'"
        " WHERE case_id = (SELECT case_id FROM planned WHERE n = 629)",
    )
    _touched(
        month,
        _RECORD.format(
            "started_at = started_at + interval '4 hours',"
            " answered_at = NULL, ended_at = ended_at + interval '4 hours'",
            629,
        ),
    )


def _held(month: Month) -> None:
    _touched(
        month,
        "INSERT INTO casegate.hold (hold_id, person_mac, code, source, placed_at, placed_by)"
        " SELECT gen_random_uuid(), person_mac, 'fraud_claim', 'test', started_at - interval '1"
        " second', 'x'"
        " FROM planned WHERE n = 600",
    )


def _opted_out(month: Month) -> None:
    _touched(
        month,
        "INSERT INTO casegate.point_state SELECT contact_mac, 'ok', started_at, started_at -"
        " interval '1 hour'"
        " FROM planned WHERE n = 601",
    )


def _stopped_agent(month: Month) -> None:
    month.run(
        "INSERT INTO casegate.agent SELECT vendor_id, contract_id, 'alpha-gone', id_hash,"
        " 'left', nda_signed_on,"
        " max_cases, registered_at, qualified_at, '2026-04-02' FROM casegate.agent WHERE"
        " agent_ref = 'alpha-001'"
    )
    _touched(month, _RECORD.format("agent_ref = 'alpha-gone'", 500))


def _never_closed(month: Month) -> None:
    _touched(
        month,
        "UPDATE casegate.contact SET state = 'expired', result = NULL"
        " WHERE contact_id = (SELECT permit FROM planned WHERE n = 10)",
    )


def _no_recording(month: Month) -> None:
    _touched(month, "DELETE FROM casegate.recording WHERE call_id = 'call-16'")


def _changed_recording(month: Month) -> None:
    with month.lender.role("vendor") as connection:
        row = connection.execute(
            "SELECT verdict, rule FROM casegate.open_recording(%s, 'alpha', 'alpha-2026',"
            " 'call-14', sha256('another'),"
            " 8000, 'wav', 30, %s, %s, true, 'k', '\\x00', 20, 1000000, %s, %s, %s)",
            (uuid4(), *[NOW] * 5),
        ).fetchone()
    assert row == ("changed", "RECORDING_CHANGED")


def _touches(month: Month) -> None:
    # The lender's own calls count with the vendor's.
    _touched(
        month,
        "INSERT INTO casegate.contact (contact_id, case_id, case_ref, person_mac, point_mac,"
        " point_kind, party, debt, channel,"
        " call_kind, requested_at, expires_at, state, handling, closed_at, counts)"
        " SELECT gen_random_uuid(), p.case_id, p.case_ref, p.person_mac, p.contact_mac,"
        " 'mobile', 'debtor', 'd', 'voice_robot',"
        " 'notify', p.started_at + more * interval '1 minute', p.started_at + interval '1 day',"
        " 'recorded', 'own', p.started_at, 1"
        " FROM (SELECT * FROM planned WHERE n = 620) p, generate_series(1, 15) AS more",
    )


def _reveals(month: Month) -> None:
    _touched(
        month,
        "UPDATE casegate.reveal_use SET used = 60 WHERE agent_ref = 'alpha-002' AND day ="
        " '2026-04-30'",
    )


def _undialed(month: Month) -> None:
    _touched(
        month,
        "INSERT INTO casegate.contact (contact_id, vendor_id, contract_id, case_id, case_ref,"
        " person_mac, point_mac, point_kind,"
        " party, debt, channel, call_kind, agent_ref, requested_at, expires_at, state, handling,"
        " closed_at, counts)"
        " SELECT gen_random_uuid(), 'alpha', 'alpha-2026', case_id, case_ref, person_mac,"
        " contact_mac, 'mobile', 'debtor', 'd',"
        " 'voice_human', 'interactive', 'alpha-003', '2026-05-07T03:00:00Z',"
        " '2026-05-07T03:10:00Z', 'unused', 'reveal_once',"
        " '2026-05-07T03:10:00Z', 0 FROM planned WHERE n < 12",
    )


def _refused(hour: str, code: str, count: int) -> Callable[[Month], None]:
    return lambda month: _touched(
        month,
        "INSERT INTO casegate.permit_refusal (vendor_id, contract_id, case_id, agent_ref,"
        " channel, point_kind, requested_at, codes, call_kind, script_id, script_version,"
        " caller_number) SELECT 'alpha', 'alpha-2026', case_id, agent_ref, 'voice_human',"
        " 'mobile', %s, ARRAY[%s], 'interactive', 's', 1, '+8657188000001'"
        " FROM planned WHERE n < %s",
        f"2026-05-07T{hour}+08:00",
        code,
        count,
    )


def _contact_persons(month: Month) -> None:
    # Beta calls debtors, alpha calls their families.
    month.run(
        "UPDATE casegate.contact SET party = 'contact' WHERE vendor_id = 'alpha'"
        " AND contact_id IN (SELECT permit FROM planned WHERE n %% 20 = 3 AND n > 150)"
    )
    _touched(
        month,
        "INSERT INTO casegate.contact (contact_id, vendor_id, contract_id, case_id, person_mac,"
        " point_mac, point_kind, party, debt,"
        " channel, call_kind, agent_ref, requested_at, expires_at, state, handling, closed_at,"
        " counts)"
        " SELECT gen_random_uuid(), 'beta', 'beta-2026', gen_random_uuid(),"
        " sha256(n::text::bytea), contact_mac, 'mobile', 'debtor',"
        " 'd', 'voice_human', 'interactive', 'beta-001', started_at, ended, 'recorded',"
        " 'dial_token', ended, 9"
        " FROM (SELECT *, started_at + interval '5 minutes' AS ended FROM planned WHERE n > 150)"
        " p",
    )


def _same_talk(month: Month) -> None:
    # Four days' talks of one agent on one day, one after the other, and all of one length.
    _touched(
        month,
        "WITH moved AS (SELECT call_id, ('2026-04-17'::date + (started_at AT TIME ZONE"
        " 'Asia/Shanghai')::time"
        " + (n - 330) / 30 * interval '90 minutes') AT TIME ZONE 'Asia/Shanghai' AS at FROM"
        " planned WHERE n BETWEEN 330 AND 449)"
        " UPDATE casegate.call_record c SET talk_s = 61, started_at = at, answered_at = at +"
        " interval '1 second',"
        " ended_at = at + interval '62 seconds' FROM moved WHERE moved.call_id = c.call_id AND"
        " talk_s > 0"
        " AND agent_ref = 'alpha-001'",
    )


def _off_shift(month: Month) -> None:
    # Alpha's agents begin at nine and end before ten.
    _touched(
        month,
        "INSERT INTO casegate.contact (contact_id, vendor_id, contract_id, case_id, case_ref,"
        " person_mac, point_mac, point_kind, party, debt, channel, call_kind, agent_ref,"
        " requested_at, expires_at, state, handling, closed_at, counts)"
        " SELECT gen_random_uuid(), 'alpha', 'alpha-2026', case_id, case_ref, person_mac,"
        " contact_mac, 'mobile', 'debtor', 'd', 'voice_human', 'interactive', 'alpha-001',"
        " '2026-04-29T19:00+08:00', '2026-04-29T19:10+08:00', 'recorded', 'reveal_once',"
        " '2026-04-29T19:05+08:00', 0 FROM planned WHERE n < 4",
    )


def _two_networks(month: Month) -> None:
    # Another permit of the same agent's while the first is open, from a second place.
    _touched(
        month,
        "INSERT INTO casegate.contact (contact_id, vendor_id, contract_id, case_id, case_ref,"
        " person_mac, point_mac, point_kind, party, debt, channel, call_kind, agent_ref,"
        " requested_at, expires_at, state, handling, closed_at, counts, network)"
        " SELECT gen_random_uuid(), 'alpha', 'alpha-2026', case_id, case_ref, person_mac,"
        " contact_mac, 'mobile', 'debtor', 'd', 'voice_human', 'interactive', agent_ref,"
        " started_at + interval '1 minute', started_at + interval '11 minutes', 'unused',"
        " 'dial_token', started_at + interval '2 minutes', 0, '198.51.100.0/24'"
        " FROM planned WHERE n = 44",
    )


def _failed_reads(month: Month) -> None:
    _touched(
        month,
        "INSERT INTO oversight.volume VALUES (9001, '2026-05-07T06:00Z', 9002, 9004, 10, 0, 0)",
    )


def _night_reads(month: Month) -> None:
    # Neither hour alone is much.
    _touched(
        month,
        "INSERT INTO oversight.volume VALUES"
        " (9001, '2026-05-06T15:00Z', 9003, 0, 3, 600, 0),"
        " (9001, '2026-05-06T19:00Z', 9003, 0, 3, 500, 0)",
    )


def _complaints_again(month: Month) -> None:
    # About two cases of one debtor, with six days between them.
    _touched(
        month,
        "INSERT INTO casegate.affair (affair_id, kind, vendor_id, contract_id, state, codes,"
        " case_id, opened_at, opened_by, due_at)"
        " SELECT gen_random_uuid(), 'complaint', 'alpha', 'alpha-2026', 'registered',"
        " '{attitude}', case_id, started_at + days * interval '1 day', 'x', started_at"
        " + interval '30 days' FROM planned, unnest(ARRAY[0, 6, 20]) AS days WHERE n = 70",
    )


# The name of a lie, how it is planted, the finding, and a reference in its evidence.
PLANTED: tuple[tuple[str, Callable[[Month], None], str, str | None], ...] = (
    ("a call on a recalled case", _recalled, "CALL_ON_RECALLED_CASE", "call-629"),
    (
        "a call at 22:30",
        _in_record(
            40,
            "started_at = '2026-04-02T22:30+08:00', answered_at = NULL,"
            " ended_at = '2026-04-02T22:33+08:00'",
        ),
        "CALL_IN_RED_WINDOW",
        "call-40",
    ),
    (
        "a call at 07:59",
        _in_record(
            41,
            "started_at = '2026-04-02T07:59+08:00', answered_at = NULL,"
            " ended_at = '2026-04-02T08:04+08:00'",
        ),
        "CALL_IN_RED_WINDOW",
        "call-41",
    ),
    ("a call during a hold", _held, "CALL_UNDER_HOLD", "call-600"),
    ("a call of who has opted out", _opted_out, "CALL_TO_OPTED_OUT", "call-601"),
    ("a call by an agent who had left", _stopped_agent, "CALL_BY_STOPPED_AGENT", "call-500"),
    (
        "a call by an agent nobody knows",
        _in_record(501, "agent_ref = 'ghost'"),
        "CALL_BY_UNKNOWN_AGENT",
        "call-501",
    ),
    (
        "a call from another number",
        _in_record(502, "caller_number = '+8657100000000'"),
        "CALL_FROM_FOREIGN_NUMBER",
        "call-502",
    ),
    (
        "an agent in two calls",
        _in_record(101, "started_at = started_at - interval '4 minutes 50 seconds'"),
        "CALLS_AT_ONE_TIME",
        "call-101",
    ),
    (
        "more talk than call",
        _in_record(205, "talk_s = talk_s + 60"),
        "CALL_IMPOSSIBLE_TALK",
        "call-205",
    ),
    (
        "nothing was disclosed",
        _in_record(
            207, "disclosures = '{}', talk_s = 40, ended_at = answered_at + interval '40 seconds'"
        ),
        "CALL_WITHOUT_DISCLOSURE",
        "call-207",
    ),
    (
        "a promise for next month",
        _in_record(210, 'promise = \'{"amount": 100, "due_on": "2026-06-15"}\''),
        "CALL_PROMISE_FAR",
        "call-210",
    ),
    ("numbers looked up after work", _off_shift, "REVEALS_OFF_SHIFT", None),
    ("an agent in two places", _two_networks, "AGENT_ON_TWO_NETWORKS", None),
    ("ten reads in vain within an hour", _failed_reads, "READS_FAILED", None),
    ("a thousand cases read at night", _night_reads, "READS_AT_NIGHT", None),
    ("a debtor who complains again", _complaints_again, "COMPLAINT_AGAIN", None),
    ("typed lengths of talk", _same_talk, "CALL_SAME_TALK", None),
    ("a permit that was never closed", _never_closed, "PERMIT_NEVER_CLOSED", None),
    ("a recording that is not there", _no_recording, "RECORDING_MISSING", "call-16"),
    ("another recording than before", _changed_recording, "RECORDING_CHANGED", "call-14"),
    ("too many calls a month", _touches, "TOUCHES_A_MONTH", None),
    ("numbers looked up in heaps", _reveals, "REVEALS_OF_AGENT", None),
    ("numbers looked up and not called", _undialed, "REVEALS_WITHOUT_DIALS", None),
    (
        "wishes just after ten at night",
        _refused("22:03", "OUTSIDE_WINDOW_RED", 8),
        "CLOCK_GAMING",
        None,
    ),
    ("wishes above the cap", _refused("15:00", "DAILY_CAP_REACHED", 25), "CAP_GAMING", None),
    ("families instead of debtors", _contact_persons, "CONTACT_PERSON_RATIO", None),
)
# Numbers of a month's report by what is added to them, each alone a mismatch of exactly this name.
REPORTED: tuple[tuple[str, float], ...] = (
    *(("dial_attempts", 1), ("dial_attempts", -1), ("connected_calls", 1), ("effective_calls", 1)),
    *(
        ("rpc_count", -1),
        ("ptp_count", 1),
        ("ptp_amount", 1),
        ("cases_worked", 1),
        ("cases_in_hand", -1),
    ),
    *(
        ("late_records", -1),
        ("connect_rate", 0.2),
        ("recording_coverage", 0.3),
        ("agents_active", 1),
    ),
)
