-- What changed after this deploy?
--
-- What the function did (peers, API calls, errors of them) in the seven days before and after the instant. change: new
-- (never before it), back (not in those seven days, but earlier), gone (before, not after), or stays. An hour counts on
-- the side on which its first conversation or call was; function_changes has the deploys and who made them.
--
-- Parameters:
--   function (string): the function's name
--   at (timestamp): when it was deployed
--
-- Example: function=OrderIngest at=2026-03-05T14:36Z
SELECT
  account_id, region, behaviour, thing, peer_kind, peer_name,
  CASE
    WHEN min(first_time) >= :at THEN 'new'
    WHEN max(last_time) < :at THEN 'gone'
    WHEN sum(CASE WHEN last_time >= :at - INTERVAL '7' DAY AND first_time < :at THEN 1 ELSE 0 END) = 0 THEN 'back'
    ELSE 'stays'
  END AS change,
  sum(CASE WHEN first_time >= :at - INTERVAL '7' DAY AND first_time < :at THEN events ELSE 0 END) AS events_before,
  sum(CASE WHEN first_time >= :at THEN events ELSE 0 END) AS events_after,
  sum(CASE WHEN first_time >= :at - INTERVAL '7' DAY AND first_time < :at THEN bytes_out ELSE 0 END)
    AS bytes_out_before,
  sum(CASE WHEN first_time >= :at THEN bytes_out ELSE 0 END) AS bytes_out_after,
  min(first_time) AS first_seen, max(last_time) AS last_seen
FROM function_activity_hourly
WHERE function_name = :function
  AND hour < :at + INTERVAL '7' DAY
GROUP BY account_id, region, behaviour, thing, peer_kind, peer_name
HAVING max(last_time) >= :at - INTERVAL '7' DAY
ORDER BY change, behaviour, thing, account_id, region
