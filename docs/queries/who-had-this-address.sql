-- Who had this address then?
--
-- A Lambda interface that several functions share has a row for each of them: function_flows says how probable each is.
-- Private addresses repeat, so that every VPC that knows one has an answer of its own.
--
-- Parameters:
--   ip (address): the address, IPv4 or IPv6
--   at (timestamp): the instant
--   vpc (string, default ""): only in this VPC
--
-- Example: ip=10.0.1.109 at=2026-02-05T06:12Z
SELECT
  account_id, region, vpc_id, interface_id, owner_kind, owner_name, basis,
  valid_from, from_evidence, from_uncertainty_seconds, valid_to, to_evidence, to_uncertainty_seconds
FROM ip_leases
WHERE address = :ip
  AND (valid_from IS NULL OR valid_from <= :at)
  AND (valid_to IS NULL OR valid_to > :at)
  AND (:vpc = '' OR vpc_id = :vpc)
ORDER BY account_id, region, vpc_id, interface_id, owner_kind, owner_name NULLS LAST
