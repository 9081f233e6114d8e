-- Which functions cannot be told apart, and how often?
--
-- The sets of functions that were plausible for the same conversations. A security group of its own for one of them
-- settles it: the set with the most conversations is the best to begin with.
--
-- Parameters:
--   first (date): from this day
--   last (date): to this day, inclusive
--
-- Example: first=2026-03-06 last=2026-03-12
SELECT
  account_id, region, plausible AS functions,
  count(DISTINCT conversation_id) AS conversations,
  count(DISTINCT CASE WHEN attribution = 'shared' THEN conversation_id END) AS without_any_evidence,
  count(DISTINCT interface_id) AS interfaces, count(DISTINCT local_addr) AS addresses
FROM function_flows
WHERE date BETWEEN :first AND :last
  AND position(', ' IN plausible) > 0
GROUP BY account_id, region, plausible
ORDER BY conversations DESC, account_id, region, functions
