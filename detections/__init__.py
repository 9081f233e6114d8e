"""All detections, in the order in which they run."""

from detections import (
    beaconing,
    common_destination,
    new_external_connection,
    new_internal_connection,
    new_port,
    scan,
    threat_list,
)
from detections.detection import Detection

ALL: tuple[Detection, ...] = (
    new_internal_connection.DETECTION,
    new_external_connection.DETECTION,
    new_port.DETECTION,
    scan.DETECTION,
    common_destination.DETECTION,
    threat_list.DETECTION,
    beaconing.DETECTION,
)
