-- Which functions send the most, and to whom?
--
-- Bytes and conversations are expected ones: each conversation counts with the probability that the function held it.
-- The first hundred of function and peer.
--
-- Parameters:
--   first (date): from this day
--   last (date): to this day, inclusive
--   outside_only (boolean, default "false"): only peers outside the account's networks
--
-- Example: first=2026-03-06 last=2026-03-12 outside_only=true
SELECT
  account_id, region, function_name, peer_kind, peer_name, peer_internal,
  round(sum(probability * bytes_out), 0) AS bytes_out,
  round(sum(probability * bytes_in), 0) AS bytes_in,
  round(sum(probability), 3) AS conversations,
  count(DISTINCT date) AS days
FROM function_flows
WHERE date BETWEEN :first AND :last
  AND (NOT :outside_only OR NOT peer_internal)
GROUP BY account_id, region, function_name, peer_kind, peer_name, peer_internal
ORDER BY bytes_out DESC, account_id, region, function_name NULLS LAST, peer_kind, peer_name
LIMIT 100
