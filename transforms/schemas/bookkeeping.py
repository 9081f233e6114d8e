"""Tables about the work itself: what was read, what could not be, what must be computed again, what ran, what held."""

from transforms.schemas.table import Table, columns

INGESTED_FILES = Table(
    name="ingested_files",
    job="ingest",
    key=("source_file",),
    doc="One raw object taken in, or passed over with a reason.",
    schema=columns(
        ("source_file", "string", "path below the raw folder"),
        ("kind", "string", "vpc_flow_logs, cloudtrail, describe_network_interfaces, …; skipped files keep NULL"),
        ("etag", "string", "MD5 of the content; on S3 the ETag: the same but with SSE-KMS or uploads in parts"),
        ("stat", "string", "size and time of change (on S3: ETag) when read: spares reading an unchanged file again"),
        ("file_time", "timestamp", "the time in the file's name (UTC); NULL when it has none"),
        ("state", "string", "started (a crash left it half done, or it could not be opened), done, skipped"),
        ("reason", "string", "why it was skipped, or what is odd about it"),
        ("copy_of", "string", "the file of the same content that counts instead"),
        ("records", "bigint", "good records taken from it"),
        ("rejected", "bigint", "records that could not be read"),
        ("min_time", "timestamp", "earliest event time in it"),
        ("max_time", "timestamp", "latest event time in it"),
    ),
)

REJECTED_RECORDS = Table(
    name="rejected_records",
    job="ingest",
    key=("source_file", "line"),
    doc="One record that could not be read, with the reason.",
    schema=columns(
        ("source_file", "string", "path below the raw folder"),
        ("kind", "string", "what the file was read as"),
        ("line", "bigint", "line in the decompressed file from 1, or the record's index from 1 in JSON"),
        ("text", "string", "the record as it stood; invalid UTF-8 is escaped, long text is cut"),
        ("reason", "string", "why it could not be read"),
    ),
)

REOPENED_HOURS = Table(
    name="reopened_hours",
    job="ingest, leases, evidence, attribute, behave, baseline, detect",
    key=("job", "hour"),
    doc="A queue: the hours that a job must compute again, because late data or a changed lease touches them.",
    schema=columns(
        ("job", "string", "who has to work: leases, evidence, attribute, behave, baseline or detect"),
        ("hour", "timestamp", "start of the hour (UTC)"),
    ),
)

RETENTION = Table(
    name="retention",
    job="maintain",
    key=("table_name",),
    doc="Of which tables old rows were deleted, as the setting keep_days says. What came of them stays as it is.",
    schema=columns(
        ("table_name", "string", "which"),
        ("kept_from", "date", "rows of earlier days were deleted"),
        ("closed_before", "date", "hours of earlier days are not computed again: they would lack these rows"),
    ),
)

RUNS = Table(
    name="runs",
    job="every job",
    key=("run_id",),
    doc="One job run. The only table that knows the wall clock.",
    schema=columns(
        ("run_id", "string", "of all that was started at once, as its lock and its logs have it; and the job"),
        ("job", "string", "ingest, leases, evidence, attribute, behave, baseline, detect; or maintain"),
        ("window_start", "timestamp", "from (event time, UTC); NULL: maintain has no window"),
        ("window_end", "timestamp", "until, exclusive"),
        ("engine", "string", "sail or spark"),
        ("started_at", "timestamp", "wall clock"),
        ("seconds", "double", "duration"),
        ("outcome", "string", "done, or the error's first line"),
        ("note", "string", "what it did, in words"),
    ),
)

JUDGEMENTS = Table(
    name="judgements",
    job="detect",
    key=("observations_version",),
    doc="What detect judged with, by the version of observations that it made: `leasehold explain ALERT --recompute` "
    "reads the same again. Of a day the latest counts whose version observations has reached.",
    schema=columns(
        ("observations_version", "bigint", "the Delta version of observations with what was found"),
        ("first_day", "date", "first judged day"),
        ("last_day", "date", "last one"),
        ("days", "string", 'the judged days as a JSON array: ["2026-02-01", …]'),
        ("table_versions", "string", 'the Delta versions of what detections read, as JSON: {"novelties": 12, …}'),
        ("parameters", "string", 'of each detection, as JSON: {"scan": {"min_doors": 8, …}, …}'),
        ("code", "string", "Leasehold's version, and a digest of the code of detections and transforms"),
    ),
)

QUALITY_RESULTS = Table(
    name="quality_results",
    job="every job",
    key=("validation_id", "check_name"),
    doc="One check of what was written to a table. It depends on when what was run, like runs.",
    schema=columns(
        ("validation_id", "string", "random; one look at one table"),
        ("checked_at", "timestamp", "wall clock"),
        ("table_name", "string", "whose rows"),
        ("check_name", "string", "what must hold, in words"),
        ("severity", "string", "critical (later jobs stop) or warning"),
        ("outcome", "string", "passed, failed, or accepted: failed, and a person let it pass"),
        ("from_version", "bigint", "what the table had at this Delta version was good; NULL: nothing was known"),
        ("to_version", "bigint", "the version that was looked at: its files that from_version did not have"),
        ("checked_rows", "bigint", "rows in these files"),
        ("failed_rows", "bigint", "so many of them break it; NULL: it passed"),
        ("first_date", "date", "first partition of these files; NULL: the table has none"),
        ("last_date", "date", "last one"),
        ("message", "string", "why it failed: rows, examples of keys, and what to do"),
        ("result", "string", "Great Expectations' result as JSON, without values of rows: Data Docs are made of it"),
    ),
)

QUALITY_GATES = Table(
    name="quality_gates",
    job="every job",
    key=("table_name",),
    doc="How far a table has been checked. What is after passed_version is checked before any later job goes on.",
    schema=columns(
        ("table_name", "string", "which"),
        ("passed_version", "bigint", "what the table has at this Delta version is good, or was accepted"),
        ("checked_version", "bigint", "the last version that was looked at; passed_version is less if it failed"),
        ("failure", "string", "why it failed; NULL: it did not"),
    ),
)

DELIVERIES = Table(
    name="deliveries",
    job="(send)",
    key=("sink", "alert_id"),
    doc="What each sink got of each alert last, as `leasehold send` handed it over; and what it did not get, and why.",
    schema=columns(
        ("sink", "string", "the sink's name in the settings"),
        ("alert_id", "string", "the alert"),
        ("delivery_id", "string", "what it got last: the alert's id and a digest of its state; NULL: nothing yet"),
        ("delivered_at", "timestamp", "when (wall clock, UTC)"),
        ("failures", "bigint", "tries in a row that failed since; 0: the last one went well"),
        ("failed_at", "timestamp", "when the run began in which the last one failed; NULL: none did since"),
        ("error", "string", "why, in words, without addresses and secrets"),
    ),
)
