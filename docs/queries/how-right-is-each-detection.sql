-- How right is each detection, by the verdicts that people gave?
--
-- precision is the share of true ones and attempts among those with a verdict; NULL: nobody has judged one yet.
--
-- Parameters:
--   first (date): alerts opened from this day on
--
-- Example: first=2026-02-01
SELECT
  detection_id,
  count(*) AS alerts,
  sum(CASE WHEN status = 'open' THEN 1 ELSE 0 END) AS still_open,
  count(verdict) AS judged,
  sum(CASE WHEN verdict IN ('true', 'attempt') THEN 1 ELSE 0 END) AS true_alerts,
  sum(CASE WHEN verdict = 'benign trigger' THEN 1 ELSE 0 END) AS benign_triggers,
  sum(CASE WHEN verdict = 'false' THEN 1 ELSE 0 END) AS false_alerts,
  round(avg(CASE WHEN verdict IN ('true', 'attempt') THEN 1e0 WHEN verdict IS NOT NULL THEN 0e0 END), 3) AS precision
FROM alerts
WHERE CAST(opened_at AS date) >= :first
GROUP BY detection_id
ORDER BY alerts DESC, detection_id
