"""What is looked for in who reads what, from where and when; and in who complains.

Sums by vendor and hour come from the search index over the log, which follows it by seconds.
"""

QUERIES: dict[str, str] = {
    # Reads that found nothing: foreign, recalled and invented cases are one answer. An hour each.
    "failed_reads": """
SELECT w.word AS vendor_id, NULL::text AS contract_id, NULL::text AS agent_ref,
       w.word || '/' || to_char(t.here, 'YYYY-MM-DD"T"HH24') AS subject,
       jsonb_build_object('day', t.here::date, 'hour', extract(hour FROM t.here)::integer,
           'count', sum(v.entries)) AS evidence
  FROM oversight.volume v
  JOIN oversight.word w ON w.id = v.vendor
  JOIN casegate.vendor k ON k.vendor_id = w.word
  JOIN oversight.word e ON e.id = v.event AND e.word = 'access.denied'
  JOIN oversight.word c ON c.id = v.code AND c.word = 'NOT_FOUND'
 CROSS JOIN LATERAL (SELECT v.hour AT TIME ZONE 'Asia/Shanghai' AS here) t
 WHERE v.hour > %(since)s - %(window)s - interval '1 hour' AND v.hour <= %(until)s
 GROUP BY w.word, t.here HAVING sum(v.entries) >= %(threshold)s
""",
    # Cases that were read between 22:00 and 08:00, outside of the company's hours; a night each.
    "night_reads": """
SELECT w.word AS vendor_id, NULL::text AS contract_id, NULL::text AS agent_ref,
       w.word || '/' || (t.here - interval '8 hours')::date AS subject,
       jsonb_build_object('day', (t.here - interval '8 hours')::date, 'count', sum(v.cases))
           AS evidence
  FROM oversight.volume v
  JOIN oversight.word w ON w.id = v.vendor
  JOIN casegate.vendor k ON k.vendor_id = w.word
  JOIN oversight.word e ON e.id = v.event AND e.word = 'access.release'
 CROSS JOIN LATERAL (SELECT v.hour AT TIME ZONE 'Asia/Shanghai' AS here) t
 WHERE v.hour > %(since)s - %(window)s AND v.hour <= %(until)s
   AND (t.here::time >= '22:00' OR t.here::time < '08:00')
 GROUP BY w.word, (t.here - interval '8 hours')::date HAVING sum(v.cases) >= %(threshold)s
""",
    # Numbers shown to an agent three hours and more from every hour in which he has worked on five
    # days at least: nobody else keeps his shift for us.
    "reveals_off_shift": """
WITH shown AS MATERIALIZED (
  SELECT x.vendor_id, x.contract_id, x.agent_ref, t.here::date AS day, t.here::time AS clock
    FROM casegate.contact x
   CROSS JOIN LATERAL (SELECT x.requested_at AT TIME ZONE 'Asia/Shanghai' AS here) t
   WHERE x.vendor_id IS NOT NULL AND x.handling = 'reveal_once'
     AND x.requested_at > %(since)s - interval '1 day' AND x.requested_at <= %(until)s),
worked AS (
  SELECT vendor_id, contract_id, agent_ref, day,
         (first AT TIME ZONE 'Asia/Shanghai')::time AS earliest,
         (last AT TIME ZONE 'Asia/Shanghai')::time AS latest
    FROM (SELECT x.vendor_id, x.contract_id, x.agent_ref, min(x.requested_at) AS first,
                 max(x.requested_at) AS last,
                 date_trunc('day', x.requested_at, 'Asia/Shanghai') AS midnight
            FROM casegate.contact x
           WHERE x.vendor_id IS NOT NULL
             AND x.requested_at > %(since)s - %(window)s - interval '1 day'
             AND x.requested_at <= %(until)s
           GROUP BY x.vendor_id, x.contract_id, x.agent_ref, midnight) days
   CROSS JOIN LATERAL (SELECT (days.midnight AT TIME ZONE 'Asia/Shanghai')::date AS day) named),
shift AS (
  SELECT vendor_id, contract_id, agent_ref, s.day,
         extract(epoch FROM min(w.earliest)) - 10800 AS since,
         extract(epoch FROM max(w.latest)) + 10800 AS until
    FROM (SELECT DISTINCT vendor_id, contract_id, agent_ref, day FROM shown) s
    JOIN worked w USING (vendor_id, contract_id, agent_ref)
   WHERE w.day < s.day AND w.day >= s.day - %(window)s
   GROUP BY vendor_id, contract_id, agent_ref, s.day HAVING count(*) >= 5)
SELECT vendor_id, contract_id, agent_ref,
       vendor_id || '/' || contract_id || '/' || agent_ref || '/' || day AS subject,
       jsonb_build_object('day', day, 'count', count(*)) AS evidence
  FROM shown JOIN shift USING (vendor_id, contract_id, agent_ref, day)
 WHERE extract(epoch FROM clock) < shift.since OR extract(epoch FROM clock) > shift.until
 GROUP BY vendor_id, contract_id, agent_ref, day HAVING count(*) >= %(threshold)s
""",
    # A permit was asked for while the agent's last one, asked for from elsewhere, was open.
    "two_networks": """
SELECT x.vendor_id, x.contract_id, x.agent_ref,
       x.vendor_id || '/' || x.contract_id || '/' || x.agent_ref || '/' || t.here::date
           AS subject,
       jsonb_build_object('day', t.here::date, 'count', count(*)) AS evidence
  FROM (SELECT c.vendor_id, c.contract_id, c.agent_ref, c.requested_at, c.network,
               lag(c.network) OVER agents AS last_network,
               lag(coalesce(c.closed_at, c.expires_at)) OVER agents AS last_ended
          FROM casegate.contact c
         WHERE c.vendor_id IS NOT NULL AND c.network IS NOT NULL
           AND c.requested_at > %(since)s - %(window)s AND c.requested_at <= %(until)s
        WINDOW agents AS (PARTITION BY c.vendor_id, c.contract_id, c.agent_ref
                          ORDER BY c.requested_at)) x
 CROSS JOIN LATERAL (SELECT x.requested_at AT TIME ZONE 'Asia/Shanghai' AS here) t
 WHERE x.last_network <> x.network AND x.last_ended > x.requested_at
 GROUP BY x.vendor_id, x.contract_id, x.agent_ref, t.here::date
HAVING count(*) >= %(threshold)s
""",
    # The same debtor complains again; of the contract that the last complaint is about.
    "complaints_again": """
SELECT a.vendor_id, a.contract_id, NULL::text AS agent_ref,
       a.affair_id::text AS subject,
       jsonb_build_object('complaint', a.affair_id, 'count', again.made + 1) AS evidence
  FROM casegate.affair a JOIN casegate.case_record r ON r.case_id = a.case_id
 CROSS JOIN LATERAL (
   SELECT count(*) AS made FROM casegate.case_record s JOIN casegate.affair b USING (case_id)
    WHERE s.person_mac = r.person_mac AND b.kind = 'complaint'
      AND b.opened_at > a.opened_at - %(window)s
      AND (b.opened_at, b.sequence) < (a.opened_at, a.sequence)) again
 WHERE a.kind = 'complaint' AND a.opened_at > %(since)s AND a.opened_at <= %(until)s
   AND again.made + 1 >= %(threshold)s
""",
}
