-- What did this function talk to, ever?
--
-- From the hourly history, which is kept when flow logs are not. Bytes are those of the interface: what other functions
-- sent through a shared one is in them. certain_conversations are those of which no other function is plausible.
--
-- Parameters:
--   function (string): the function's name
--   account (string, default ""): only in this account
--   region (string, default ""): only in this region
--
-- Example: function=RDSQueryLogger
SELECT
  account_id, region, peer_kind, peer_name, peer_internal, protocol, peer_port,
  min(first_time) AS first_time, max(last_time) AS last_time, count(DISTINCT date) AS days,
  sum(events) AS conversations,
  sum(CASE WHEN candidates = function_name THEN events ELSE 0 END) AS certain_conversations,
  sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in
FROM function_activity_hourly
WHERE behaviour = 'peer'
  AND function_name = :function
  AND (:account = '' OR account_id = :account)
  AND (:region = '' OR region = :region)
GROUP BY account_id, region, peer_kind, peer_name, peer_internal, protocol, peer_port
ORDER BY account_id, region, peer_internal, peer_kind, peer_name, protocol, peer_port
