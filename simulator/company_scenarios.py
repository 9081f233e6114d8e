"""What goes wrong at the company, by name: whom it hits and when is up to the seed."""

from simulator import attacks_api as api
from simulator import attacks_beacons as beacons
from simulator import attacks_control as control
from simulator import attacks_load as load
from simulator import attacks_network as network
from simulator.effects import Scenario

COMPANY_SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        network.third_internal_resource,
        network.new_external_destination,
        network.known_peer_new_port,
        network.port_scan,
        network.slow_scan,
        network.exfiltration_new,
        network.exfiltration_known,
        network.exfiltration_ramp,
        network.threat_list_destination,
        network.common_destination,
        network.change_then_new_peer,
        control.code_by_stranger_new_peer,
        beacons.beacon_regular,
        beacons.beacon_jitter,
        beacons.beacon_missing,
        beacons.beacon_growing,
        beacons.beacon_rotating,
        beacons.beacon_long_period,
        beacons.beacon_in_cloud,
        beacons.beacon_in_invocations,
        api.unusual_api_call,
        api.denied_api_calls,
        api.new_api_region,
        api.stolen_credentials,
        load.invocation_flood,
        load.invocation_flood_slow,
        load.error_burst,
        load.throttling,
        load.mining,
        load.gone_silent,
        control.code_by_stranger,
        control.layer_added,
        control.role_changed,
        control.vpc_removed,
        control.public_url,
        control.foreign_permission,
        control.event_source_mapping,
        control.flow_logs_deleted,
        control.trail_stopped,
    )
}
