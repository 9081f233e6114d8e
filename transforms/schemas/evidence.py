"""What is known of when functions ran."""

from transforms.schemas.table import Table, columns

INVOCATION_EVIDENCE = Table(
    name="invocation_evidence",
    job="evidence",
    key=("account_id", "region", "function_name", "source", "evidence_id", "begins"),
    partition_by="date",
    doc="One piece of evidence that a function ran: a data event, a minute of CloudWatch, an API call.",
    schema=columns(
        ("account_id", "string", "of the function, or unknown"),
        ("region", "string", "of the function, or unknown"),
        ("function_name", "string", "who ran"),
        ("source", "string", "data event, invocations (CloudWatch) or api call"),
        ("evidence_id", "string", "the event's id, or the minute"),
        ("interface_id", "string", "a data event's customerEniId; NULL: not said which"),
        ("address", "string", "source of an API call through an endpoint: an address of its interface"),
        ("begins", "timestamp", "it did not run before"),
        ("ends", "timestamp", "nor after"),
        ("invocations", "double", "how many"),
        ("date", "date", "of the event or the minute"),
    ),
)
