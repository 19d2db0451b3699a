"""What is looked for in what is new, by kind: here in sums of permits, records and reports.

Single calls are in detection_queries_calls, who reads and complains in detection_queries_access.
"""

from gateway.findings.detection_queries_access import QUERIES as _ACCESS
from gateway.findings.detection_queries_calls import QUERIES as _CALLS

_DAY = "(x.requested_at AT TIME ZONE 'Asia/Shanghai')::date"
# Permits of vendors that were asked for in the days that have something new, whole days each.
_PERMIT_DAYS = """
  FROM casegate.contact x
 WHERE x.vendor_id IS NOT NULL AND x.requested_at <= %(until)s
   AND x.requested_at >= date_trunc('day', (%(since)s - %(window)s) AT TIME ZONE 'Asia/Shanghai')
       AT TIME ZONE 'Asia/Shanghai'
"""
_AGENT_DAY = f"""
SELECT x.vendor_id, x.contract_id, x.agent_ref,
       x.vendor_id || '/' || x.contract_id || '/' || x.agent_ref || '/' || {_DAY} AS subject,
       jsonb_build_object('day', {_DAY}, 'count', count(*)) AS evidence
{_PERMIT_DAYS} AND x.handling = 'reveal_once'
 GROUP BY x.vendor_id, x.contract_id, x.agent_ref, {_DAY}
"""
_REFUSED_DAY = """
SELECT p.vendor_id, p.contract_id, NULL::text AS agent_ref,
       p.vendor_id || '/' || p.contract_id || '/' || (p.requested_at AT TIME ZONE
           'Asia/Shanghai')::date AS subject,
       jsonb_build_object('day', (p.requested_at AT TIME ZONE 'Asia/Shanghai')::date, 'count',
           count(*)) AS evidence
  FROM casegate.permit_refusal p
 WHERE p.requested_at > %(since)s - %(window)s AND p.requested_at <= %(until)s
"""
_BY_REFUSED_DAY = """
 GROUP BY p.vendor_id, p.contract_id, (p.requested_at AT TIME ZONE 'Asia/Shanghai')::date
HAVING count(*) >= %(threshold)s
"""

QUERIES: dict[str, str] = {
    **_CALLS,
    **_ACCESS,
    # The same length of talk again and again on one day: typed, not measured.
    "same_talk": """
SELECT c.vendor_id, c.contract_id, c.agent_ref,
       c.vendor_id || '/' || c.contract_id || '/' || c.agent_ref || '/' || c.talk_s || '/'
         || (c.started_at AT TIME ZONE 'Asia/Shanghai')::date AS subject,
       jsonb_build_object('day', (c.started_at AT TIME ZONE 'Asia/Shanghai')::date, 'count',
           count(*)) AS evidence
  FROM casegate.call_record c
 WHERE c.received_at > %(since)s - %(window)s AND c.received_at <= %(until)s
   AND c.superseded_by IS NULL AND c.talk_s >= 10
 GROUP BY c.vendor_id, c.contract_id, c.agent_ref, c.talk_s, (c.started_at AT TIME ZONE
     'Asia/Shanghai')::date
HAVING count(*) >= %(threshold)s
""",
    # Its time ran out and no record followed.
    "never_closed": """
SELECT x.vendor_id, x.contract_id, x.agent_ref, x.contact_id::text AS subject,
       jsonb_build_object('permit', x.contact_id) AS evidence
  FROM casegate.contact x
 WHERE x.vendor_id IS NOT NULL AND x.state IN ('expired', 'used')
   AND x.requested_at > %(since)s - %(window)s - interval '1 day' AND x.requested_at <= %(until)s
       - %(window)s
""",
    # Somebody was spoken to, and after the time for it no recording is whole.
    "recording_missing": """
SELECT c.vendor_id, c.contract_id, c.agent_ref,
       c.vendor_id || '/' || c.contract_id || '/' || c.call_id AS subject,
       jsonb_build_object('call', c.call_id) AS evidence
  FROM casegate.call_record c
 WHERE c.received_at > %(since)s - %(window)s AND c.received_at <= %(until)s - %(window)s
   AND c.superseded_by IS NULL AND c.talk_s > 0
   AND NOT EXISTS (SELECT FROM casegate.recording r
                    WHERE r.vendor_id = c.vendor_id AND r.contract_id = c.contract_id AND
                        r.call_id = c.call_id
                      AND (r.state = 'verified' OR r.erased_why IN ('retention', 'person')))
""",
    # More contacts with one debtor than the month allows, whoever made them; of who made the last.
    "touches": """
SELECT last.vendor_id, last.contract_id, last.agent_ref,
       last.case_id || '/' || to_char(last.requested_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')
           AS subject,
       jsonb_build_object('case_ref', last.case_ref, 'count', many.touches) AS evidence
  FROM (SELECT x.person_mac, count(*) AS touches, max(x.requested_at) AS newest
          FROM casegate.contact x
         WHERE x.requested_at > %(until)s - %(window)s AND x.requested_at <= %(until)s
           AND x.state <> 'voided' AND x.counts > 0
         GROUP BY x.person_mac HAVING count(*) > %(threshold)s AND max(x.requested_at) >
             %(since)s) many
  JOIN LATERAL (SELECT * FROM casegate.contact x
                 WHERE x.person_mac = many.person_mac AND x.vendor_id IS NOT NULL AND
                     x.requested_at <= many.newest
                 ORDER BY x.requested_at DESC LIMIT 1) last ON true
""",
    # A day's numbers shown to one agent: so many, and three deviations above what is usual there.
    "reveals": """
SELECT d.vendor_id, d.contract_id, d.agent_ref,
       d.vendor_id || '/' || d.contract_id || '/' || d.agent_ref || '/' || d.day AS subject,
       jsonb_build_object('day', d.day, 'count', d.used) AS evidence
  FROM casegate.reveal_use d
 CROSS JOIN LATERAL (
   SELECT avg(u.used) AS usual, coalesce(stddev_pop(u.used), 0) AS spread
     FROM casegate.reveal_use u
    WHERE u.vendor_id = d.vendor_id AND u.contract_id = d.contract_id AND u.agent_ref <> ''
      AND u.day < d.day AND u.day >= d.day - %(window)s) o
 WHERE d.agent_ref <> '' AND d.used >= %(threshold)s
   AND d.used > o.usual + 3 * greatest(o.spread, 1)
   AND d.day >= (%(since)s AT TIME ZONE 'Asia/Shanghai')::date
""",
    # Numbers were looked at and hardly any was called.
    "reveals_undialed": f"""{_AGENT_DAY}
HAVING count(*) >= %(threshold)s
   AND count(*) FILTER (WHERE x.state IN ('recorded', 'used')) * 2 < count(*)
   AND max(x.requested_at) < %(until)s - interval '1 hour'
""",
    # Wishes just after the end of the day: somebody tries whether our clock is late.
    "late_wishes": f"""{_REFUSED_DAY}
   AND (p.requested_at AT TIME ZONE 'Asia/Shanghai')::time BETWEEN '22:00' AND '22:10'
   AND p.codes && '{{OUTSIDE_WINDOW_RED}}'::text[]
{_BY_REFUSED_DAY}""",
    # Wishes for debtors that have had their calls.
    "capped_wishes": f"""{_REFUSED_DAY}
   AND p.codes && '{{DAILY_CAP_REACHED,NUMBER_CAP_REACHED,ROLLING_CAP_REACHED}}'::text[]
{_BY_REFUSED_DAY}""",
    # The share of calls to contact persons, against twice that of all others together.
    "contact_persons": """
SELECT m.vendor_id, m.contract_id, NULL::text AS agent_ref,
       m.vendor_id || '/' || m.contract_id || '/' || to_char(%(until)s AT TIME ZONE
           'Asia/Shanghai', 'YYYY-MM') AS subject,
       jsonb_build_object('count', m.related) AS evidence
  FROM (SELECT x.vendor_id, x.contract_id, count(*) AS calls, count(*) FILTER (WHERE x.party =
      'contact') AS related,
               sum(count(*)) OVER () AS all_calls, sum(count(*) FILTER (WHERE x.party =
                   'contact')) OVER () AS all_related
          FROM casegate.contact x
         WHERE x.vendor_id IS NOT NULL AND x.requested_at > %(until)s - %(window)s AND
             x.requested_at <= %(until)s
         GROUP BY 1, 2) m
 WHERE m.related >= %(threshold)s AND m.all_calls > m.calls
   AND m.related * (m.all_calls - m.calls) > 2 * (m.all_related - m.related) * m.calls
""",
    # So many different numbers that all end in 0 were not counted.
    "round_numbers": """
SELECT r.vendor_id, r.contract_id, NULL::text AS agent_ref,
       r.vendor_id || '/' || r.contract_id || '/' || r.period AS subject,
       jsonb_build_object('period', r.period) AS evidence
  FROM casegate.report r
 WHERE r.submitted_at > %(since)s AND r.submitted_at <= %(until)s
   AND (SELECT count(DISTINCT m.value) >= %(threshold)s AND bool_and(m.value::text::numeric %% 10
       = 0)
          FROM jsonb_each(r.metrics) m
         WHERE jsonb_typeof(m.value) = 'number' AND m.key NOT LIKE '%%rate%%' AND m.key NOT LIKE
             '%%coverage%%'
           AND m.key <> 'avg_talk_s' AND m.value::text::numeric >= 10)
""",
    "refused_reports": """
SELECT r.vendor_id, r.contract_id, NULL::text AS agent_ref,
       r.vendor_id || '/' || r.contract_id || '/' || r.period AS subject,
       jsonb_build_object('period', r.period, 'count', count(*)) AS evidence
  FROM casegate.report r
 WHERE r.submitted_at > %(since)s - %(window)s AND r.submitted_at <= %(until)s AND r.state =
     'rejected'
 GROUP BY r.vendor_id, r.contract_id, r.period HAVING count(*) >= %(threshold)s
""",
}
