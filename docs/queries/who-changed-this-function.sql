-- Who changed this function, when, and what?
--
-- With function="" also changes of the account's own sight: flow logs, trails, GuardDuty.
--
-- Parameters:
--   function (string, default ""): the function's name
--   first (date, default "1970-01-01"): from this day
--   last (date, default "9999-12-31"): to this day, inclusive
--
-- Example: function=OrderIngest
SELECT
  event_time, account_id, region, function_name, change, event_name, principal, source_ip_address, error_code,
  detail, opens_to, event_id
FROM function_changes
WHERE date BETWEEN :first AND :last
  AND (:function = '' OR function_name = :function)
ORDER BY event_time, event_id, account_id, region, function_name NULLS LAST, change
