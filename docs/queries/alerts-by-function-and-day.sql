-- How many alerts opened, of which function, on which day?
--
-- Parameters:
--   first (date): from this day
--   last (date): to this day, inclusive
--
-- Example: first=2026-03-01 last=2026-03-12
SELECT
  CAST(opened_at AS date) AS day, account_id, region, functions,
  count(*) AS alerts,
  sum(CASE WHEN severity = 'high' THEN 1 ELSE 0 END) AS high,
  sum(CASE WHEN severity = 'medium' THEN 1 ELSE 0 END) AS medium,
  sum(CASE WHEN severity = 'low' THEN 1 ELSE 0 END) AS low,
  sum(CASE WHEN status = 'open' THEN 1 ELSE 0 END) AS still_open,
  count(DISTINCT detection_id) AS detections
FROM alerts
WHERE CAST(opened_at AS date) BETWEEN :first AND :last
GROUP BY CAST(opened_at AS date), account_id, region, functions
ORDER BY day, account_id, region, functions NULLS LAST
