-- Which functions were never seen to do anything?
--
-- Functions that exist by the last evidence, without a conversation or an API call in the history. why: outside any VPC
-- (no flow log can show them), not invoked (by CloudWatch's metrics), or not seen although invoked: look at its flow
-- logs and `leasehold coverage`; where no metrics were taken in, invocations is NULL.
--
-- Example:
SELECT
  configs.account_id, configs.region, configs.function_name, configs.in_vpc, configs.known_since,
  metrics.invocations,
  CASE
    WHEN NOT configs.in_vpc THEN 'outside any VPC'
    WHEN metrics.invocations IS NULL THEN 'no metrics'
    WHEN metrics.invocations = 0 THEN 'not invoked'
    ELSE 'not seen although invoked'
  END AS why
FROM (
  SELECT
    account_id, region, function_name, max(CASE WHEN vpc_id IS NULL THEN 0 ELSE 1 END) = 1 AS in_vpc,
    min(valid_from) AS known_since
  FROM function_configs
  WHERE valid_to IS NULL
  GROUP BY account_id, region, function_name
) configs
LEFT JOIN (
  SELECT account_id, region, function_name, sum(invocations) AS invocations
  FROM function_metrics_hourly
  GROUP BY account_id, region, function_name
) metrics
  ON metrics.account_id = configs.account_id
  AND metrics.region = configs.region
  AND metrics.function_name = configs.function_name
WHERE NOT EXISTS (
  SELECT 1
  FROM function_activity_hourly seen
  WHERE seen.account_id = configs.account_id
    AND seen.region = configs.region
    AND seen.function_name = configs.function_name
)
ORDER BY configs.account_id, configs.region, configs.function_name
