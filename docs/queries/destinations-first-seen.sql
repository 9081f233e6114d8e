-- Which destinations did a function meet for the first time since then?
--
-- certain: no other function is plausible for at least one of the conversations. A function that is itself new is new
-- to everything: function_first_seen tells.
--
-- Parameters:
--   since (date): from this day on
--   outside_only (boolean, default "true"): only destinations outside the account's networks
--
-- Example: since=2026-03-06
SELECT
  met.account_id, met.region, met.function_name, met.peer_kind, met.peer_name, met.protocol, met.peer_port,
  min(met.first_time) AS first_time, max(met.last_time) AS last_time, sum(met.events) AS conversations,
  max(CASE WHEN met.candidates = met.function_name THEN 1 ELSE 0 END) = 1 AS certain,
  min(known.function_first_seen) AS function_first_seen
FROM function_activity_hourly met
JOIN (
  SELECT account_id, region, function_name, min(first_time) AS function_first_seen
  FROM function_activity_hourly
  WHERE behaviour = 'peer'
  GROUP BY account_id, region, function_name
) known
  ON known.account_id = met.account_id
  AND known.region = met.region
  AND known.function_name = met.function_name
WHERE met.behaviour = 'peer'
  AND (NOT :outside_only OR NOT met.peer_internal)
GROUP BY met.account_id, met.region, met.function_name, met.peer_kind, met.peer_name, met.protocol, met.peer_port
HAVING min(met.date) >= :since
ORDER BY first_time, met.account_id, met.region, met.function_name, met.peer_kind, met.peer_name, met.peer_port
