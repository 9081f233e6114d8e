-- What could we not see?
--
-- A row an account, region and day. Files that never arrived cannot be counted: they show as gaps, where the flow logs
-- have NODATA lines (else gap_interfaces is NULL), or not at all. `leasehold coverage` says what to do about each.
--
-- Parameters:
--   first (date): from this day
--   last (date): to this day, inclusive
--
-- Example: first=2026-02-25 last=2026-03-03
SELECT
  date, account_id, region,
  sum(CASE WHEN in_vpc = FALSE THEN 1 ELSE 0 END) AS functions_outside_vpc,
  sum(unknown_conversations) AS conversations_of_nobody,
  round(sum(shared_conversations), 3) AS conversations_nobody_can_tell_apart,
  round(sum(presumed_conversations), 3) AS presumed_conversations,
  max(unleased_interfaces) AS interfaces_without_lease,
  max(skipdata_records) AS skipped_windows,
  max(gap_interfaces) AS gap_interfaces, max(gap_seconds) AS gap_seconds,
  max(interface_polls_missed) AS interface_polls_missed, max(function_polls_missed) AS function_polls_missed,
  max(interface_polls_failed) AS interface_polls_failed, max(function_polls_failed) AS function_polls_failed,
  max(metric_polls_failed) AS metric_polls_failed, max(last_poll_error) AS last_poll_error
FROM coverage
WHERE date BETWEEN :first AND :last
GROUP BY date, account_id, region
ORDER BY date, account_id, region
