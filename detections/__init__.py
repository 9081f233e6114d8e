"""All detections, in the order in which they run."""

from detections import new_external_connection, new_internal_connection, new_port
from detections.detection import Detection

ALL: tuple[Detection, ...] = (
    new_internal_connection.DETECTION,
    new_external_connection.DETECTION,
    new_port.DETECTION,
)
