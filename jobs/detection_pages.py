"""The detections' page, from what they say of themselves: `python -m jobs.detection_pages > docs/detections.md`."""

from __future__ import annotations

import detections
from detections.detection import Detection


def markdown() -> str:
    """Every detection: what it raises, what it reads, its parameters, its limits and its runbook."""
    intro = (
        "# Detections\n\nMade from `detections/` by `make docs`. `leasehold explain ALERT` shows the same beside an"
        " alert. Parameters are set in the settings (`detections`), where a detection can be put into a dry run.\n\n"
        "| detection | severity | ATT&CK |\n|---|---|---|\n"
    )
    rows = "".join(
        f"| [{d.title}](#{d.id}) | {d.severity} | {d.technique} (v{d.attack_version}) |\n" for d in detections.ALL
    )
    return intro + rows + "".join(_page(detection) for detection in detections.ALL)


def _page(detection: Detection) -> str:
    history = f", {detection.history_days} days before the judged one" if detection.history_days else ""
    parts = [
        f"\n## {detection.id}\n",
        f"{detection.title}. {detection.severity.capitalize()}; {detection.technique} (ATT&CK "
        f"v{detection.attack_version}).\n",
        f"Reads: {', '.join(f'`{table}`' for table in detection.tables)}{history}.\n",
    ]
    if detection.parameters:
        numbers = ", ".join(f"`{name}` = {value:g}" for name, value in detection.parameters.items())
        parts.append(f"Parameters: {numbers}.\n")
    parts.append("What to do:\n")
    parts += [f"{number}. {step}" for number, step in enumerate(detection.runbook, 1)]
    for title, lines in (
        ("How it can be a false alarm:", detection.false_positives),
        ("What it cannot see:", detection.blind_spots),
    ):
        parts.append(f"\n{title}\n")
        parts += [f"- {line}" for line in lines]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
