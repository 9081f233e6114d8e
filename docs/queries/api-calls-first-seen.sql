-- Which API calls did a function make for the first time since then?
--
-- Parameters:
--   since (date): from this day on
--
-- Example: since=2026-03-06
SELECT
  account_id, region, function_name, behaviour, thing,
  min(first_time) AS first_time, max(last_time) AS last_time, sum(events) AS calls,
  min_by(first_evidence, first_time) AS first_event_id, min_by(first_peer_addr, first_time) AS first_source
FROM function_activity_hourly
WHERE behaviour <> 'peer'
GROUP BY account_id, region, function_name, behaviour, thing
HAVING min(date) >= :since
ORDER BY first_time, account_id, region, function_name, behaviour, thing
