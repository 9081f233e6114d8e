"""All detections, in the order in which they run."""

from detections import (
    api_new_region,
    beaconing,
    common_destination,
    concurrency_outlier,
    control_plane_change,
    duration_outlier,
    error_outlier,
    function_silent,
    invocation_spike,
    loss_of_sight,
    new_external_connection,
    new_internal_connection,
    new_port,
    scan,
    threat_list,
    throttle_outlier,
    unusual_api_call,
    volume_outlier,
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
    invocation_spike.DETECTION,
    error_outlier.DETECTION,
    throttle_outlier.DETECTION,
    duration_outlier.DETECTION,
    concurrency_outlier.DETECTION,
    control_plane_change.DETECTION,
    loss_of_sight.DETECTION,
    function_silent.DETECTION,
    volume_outlier.DETECTION,
    unusual_api_call.DETECTION,
    api_new_region.DETECTION,
)
