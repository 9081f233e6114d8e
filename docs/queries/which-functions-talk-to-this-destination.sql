-- Which functions talk to this destination?
--
-- A destination is an address, or what an address stood for then: the name of a resource, an AWS service (S3), a
-- network of the settings. conversations are expected ones: each counts with the probability that this function held
-- it; highest_probability is that of the surest. function_name is NULL where no lease says whose it was.
--
-- Parameters:
--   destination (string): an address, or a name as in peer_name
--
-- Example: destination=198.51.100.66
SELECT
  account_id, region, function_name, peer_kind, peer_name, protocol, peer_port,
  min(start_time) AS first_time, max(end_time) AS last_time, count(DISTINCT date) AS days,
  round(sum(probability), 3) AS conversations,
  round(max(probability), 3) AS highest_probability,
  round(sum(CASE WHEN rejected THEN probability ELSE 0 END), 3) AS rejected_conversations,
  round(sum(probability * bytes_out), 0) AS bytes_out, round(sum(probability * bytes_in), 0) AS bytes_in
FROM function_flows
WHERE peer_addr = :destination OR peer_name = :destination
GROUP BY account_id, region, function_name, peer_kind, peer_name, protocol, peer_port
ORDER BY account_id, region, function_name NULLS LAST, peer_kind, peer_name, protocol, peer_port
