"""What is looked for in single calls; each query tells vendor, contract, agent, subject, evidence.

`%(since)s` to `%(until)s` is when a record came in; windows and thresholds are the rule's.
"""

# What is new; a superseded record was found out by its vendor itself.
_NEW = """
  FROM casegate.call_record c
 WHERE c.received_at > %(since)s AND c.received_at <= %(until)s AND c.superseded_by IS NULL
"""
_ONE = """
SELECT c.vendor_id, c.contract_id, c.agent_ref, c.vendor_id || '/' || c.contract_id || '/' ||
    c.call_id AS subject,
       jsonb_build_object('call', c.call_id) AS evidence
"""
_LOCAL = "(c.started_at AT TIME ZONE 'Asia/Shanghai')"
_CASE = """
EXISTS (SELECT FROM casegate.assigned_case a WHERE a.vendor_id = c.vendor_id
   AND a.contract_id = c.contract_id AND a.case_id = c.case_id AND a.recalled_at < c.started_at
   AND a.status = 'recalled')
"""
_HELD = """
EXISTS (SELECT FROM casegate.hold h JOIN casegate.case_record r ON r.person_mac = h.person_mac
         WHERE r.case_id = c.case_id AND (h.case_id IS NULL OR h.case_id = c.case_id)
           AND h.placed_at < c.started_at AND (h.lifted_at IS NULL OR h.lifted_at > c.started_at))
"""
_STOPPED = """
EXISTS (SELECT FROM casegate.agent a WHERE a.vendor_id = c.vendor_id
   AND a.contract_id = c.contract_id AND a.agent_ref = c.agent_ref
   AND a.status IN ('suspended', 'left', 'banned') AND a.changed_at < c.started_at)
"""
_UNKNOWN = """
NOT EXISTS (SELECT FROM casegate.agent a WHERE a.vendor_id = c.vendor_id
   AND a.contract_id = c.contract_id AND a.agent_ref = c.agent_ref)
"""
_FOREIGN = """
c.caller_number IS NOT NULL AND NOT EXISTS (
  SELECT FROM casegate.caller_number n
   WHERE n.vendor_id = c.vendor_id AND n.contract_id = c.contract_id
     AND n.number = c.caller_number AND (n.ended_at IS NULL OR n.ended_at > c.started_at))
"""
# Another call of the same agent that had begun and had not ended; told of the later one.
_OVERLAPPING = """
EXISTS (SELECT FROM casegate.call_record o
         WHERE o.vendor_id = c.vendor_id AND o.contract_id = c.contract_id
           AND o.started_at > c.started_at - interval '3 hours' AND o.started_at <= c.started_at
           AND o.agent_ref = c.agent_ref AND o.superseded_by IS NULL
           AND (o.started_at, o.call_id) < (c.started_at, c.call_id)
           AND o.ended_at > c.started_at + make_interval(secs => %(threshold)s))
"""
# The debtor's own words were heard before: who has opted out is never called again.
_OPTED_OUT = """
EXISTS (SELECT FROM casegate.contact k JOIN casegate.point_state p USING (point_mac)
         WHERE k.contact_id = c.permit_id AND p.opted_out_at < c.started_at)
"""

QUERIES: dict[str, str] = {
    kind: f"{_ONE}{_NEW} AND {condition}"
    for kind, condition in {
        "recalled_case": f"c.direction = 'outbound' AND {_CASE}",
        # From 22:00 to 08:00, without a consent for it on the permit.
        "red_window": f"""c.direction = 'outbound' AND c.result_code <> 'NOT_DIALED'
            AND ({_LOCAL}::time < '08:00' OR {_LOCAL}::time >= '22:00')
            AND NOT EXISTS (SELECT FROM casegate.contact k WHERE k.contact_id = c.permit_id AND
                k.consents <> '{{}}')""",
        "under_hold": f"c.direction = 'outbound' AND c.result_code <> 'NOT_DIALED' AND {_HELD}",
        "stopped_agent": f"c.result_code <> 'NOT_DIALED' AND {_STOPPED}",
        "unknown_agent": _UNKNOWN,
        "foreign_number": f"c.direction = 'outbound' AND {_FOREIGN}",
        "overlapping_calls": f"c.result_code <> 'NOT_DIALED' AND {_OVERLAPPING}",
        # More talk than there was between answering (or dialling) and the end.
        "impossible_talk": """c.talk_s > extract(epoch FROM c.ended_at - coalesce(c.answered_at,
            c.started_at))
            + %(threshold)s""",
        "no_disclosure": """c.direction = 'outbound' AND c.party_reached = 'self' AND c.talk_s >=
            30
            AND c.disclosures = '{}'""",
        "far_promise": f"""c.promise IS NOT NULL
            AND (c.promise ->> 'due_on')::date > {_LOCAL}::date + %(threshold)s::integer""",
        "opted_out": f"""c.direction = 'outbound' AND c.result_code <> 'NOT_DIALED'
            AND {_OPTED_OUT}""",
    }.items()
}
