"""Records of Security Lake as AWS published them, with our account and addresses; and the files that hold them."""

from __future__ import annotations

import copy
import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.jobs.sources.reading import Row

FOLDER = "region=eu-west-1/accountId=123456789012/eventDay=20260311"
FLOW_FILE = f"aws/VPC_FLOW/2.0/{FOLDER}/7ac45d7f53d0d2915485d6b75e054fcd.gz.parquet"
TRAIL_FILE = f"aws/CLOUD_TRAIL_MGMT/2.0/{FOLDER}/7ac45d7f53d0d2915485d6b75e054fcd.gz.parquet"


def packed(content: pa.Table, **how: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(content, file, **{"compression": "gzip", **how})
    return file.getvalue()


def changed(record: Row, **values: Any) -> Row:
    """The record, some of its columns replaced."""
    return {**copy.deepcopy(record), **values}


# As in the samples beside AWS's mapping, with our account and addresses.
REFUSED_1: Row = {
    "metadata": {
        "product": {"version": "5", "name": "Amazon VPC", "feature": {"name": "Flowlogs"}, "vendor_name": "AWS"},
        "profiles": ["cloud", "security_control"],
        "version": "1.0.0-rc.2",
    },
    "cloud": {"account_uid": "123456789012", "region": "eu-west-1", "zone": "euw1-az1", "provider": "AWS"},
    "src_endpoint": {"port": 56858, "svc_name": "-", "ip": "203.0.113.4"},
    "dst_endpoint": {
        "port": 39938, "svc_name": "-", "ip": "10.0.1.52", "interface_uid": "eni-0a1", "vpc_uid": "vpc-0a1",
        "instance_uid": "i-0a1", "subnet_uid": "subnet-0a1",
    },
    "connection_info": {
        "protocol_num": 6, "tcp_flags": 2, "protocol_ver": "IPv4", "boundary_id": 99, "boundary": "-",
        "direction_id": 1, "direction": "Inbound",
    },
    "traffic": {"packets": 1, "bytes": 40},
    "time": 1773223332000, "start_time": 1773223332000, "end_time": 1773223388000, "status_code": "OK",
    "severity_id": 1, "severity": "Informational", "class_name": "Network Activity", "class_uid": 4001,
    "category_name": "Network Activity", "category_uid": 4, "activity_name": "Refuse", "activity_id": 5,
    "disposition": "Blocked", "disposition_id": 2, "type_uid": 400105, "type_name": "Network Activity: Refuse",
    "unmapped": {"sublocation_id": "-", "sublocation_type": "-"},
}  # fmt: skip
SENT_2: Row = {
    "metadata": {
        "product": {"version": "5", "name": "Amazon VPC", "feature": {"name": "Flowlogs"}, "vendor_name": "AWS"},
        "profiles": ["cloud", "security_control", "datetime"],
        "version": "1.1.0",
    },
    "cloud": {"account": {"uid": "123456789012"}, "region": "eu-west-1", "zone": "euw1-az1", "provider": "AWS"},
    "src_endpoint": {
        "port": 40000, "svc_name": "-", "ip": "10.0.1.5", "interface_uid": "eni-0a1", "vpc_uid": "vpc-0a1",
        "instance_uid": "-", "subnet_uid": "subnet-0a1",
    },
    # Behind a NAT gateway: the packet's own address, and that of the record.
    "dst_endpoint": {"port": 443, "svc_name": "S3", "ip": "198.51.100.7", "intermediate_ips": ["10.0.9.1"]},
    "connection_info": {
        "protocol_num": 6, "tcp_flags": 3, "protocol_ver": "IPv4", "boundary_id": 11, "boundary": "Internet Gateway",
        "direction_id": 2, "direction": "Outbound",
    },
    "traffic": {"packets": 10, "bytes": 840},
    "time": 1773223332000, "time_dt": datetime(2026, 3, 11, 10, 2, 12, tzinfo=UTC),
    "start_time_dt": datetime(2026, 3, 11, 10, 2, 12, tzinfo=UTC),
    "end_time_dt": datetime(2026, 3, 11, 10, 3, 8, tzinfo=UTC), "status_code": "OK",
    "severity_id": 1, "severity": "Informational", "class_name": "Network Activity", "class_uid": 4001,
    "category_name": "Network Activity", "category_uid": 4, "activity_name": "Traffic", "activity_id": 6,
    "action": "Allowed", "action_id": 1, "disposition": "Allowed", "type_uid": 400106,
    "type_name": "Network Activity: Traffic", "accountid": "123456789012", "region": "eu-west-1",
    "observables": [{"name": "dst_endpoint.ip", "type": "IP Address", "type_id": 2, "value": "198.51.100.7"}],
    "unmapped": {"sublocation_id": "-", "sublocation_type": "outpost"},
}  # fmt: skip

# A data event that Security Lake itself caused, as AWS published it.
PUT_1: Row = {
    "metadata": {
        "product": {"version": "1.08", "name": "CloudTrail", "vendor_name": "AWS", "feature": {"name": "Data"}},
        "uid": "330226bc-bdd2-4a6c-b8f3-014598ccf324", "profiles": ["cloud"], "version": "1.0.0-rc.2",
    },
    "time": 1773223257000,
    "cloud": {"region": "eu-west-1", "provider": "AWS"},
    "api": {
        "response": {}, "operation": "PutObject", "service": {"name": "s3.amazonaws.com"},
        "request": {"uid": "SAECTSDBB2JXFMCR"},
    },
    "actor": {"user": {"type": "AWSService"}, "session": {}, "invoked_by": "securitylake.amazonaws.com", "idp": {}},
    "http_request": {"user_agent": "securitylake.amazonaws.com"},
    "src_endpoint": {"uid": "vpce-075fd6c1ec2dfec74", "domain": "securitylake.amazonaws.com"},
    "resources": [
        {"uid": "arn:aws:s3:::lake/key.gz.parquet", "type": "AWS::S3::Object"},
        {"uid": "arn:aws:s3:::lake", "account_uid": "123456789012", "type": "AWS::S3::Bucket"},
    ],
    "class_name": "API Activity", "class_uid": 3005, "category_name": "Audit Activity", "category_uid": 3,
    "severity_id": 1, "severity": "Informational", "activity_name": "Update", "activity_id": 3, "type_uid": 300503,
    "type_name": "API Activity: Update", "status": "Success", "status_id": 1,
    "unmapped": {
        "additionalEventData.SSEApplied": "Default_SSE_S3", "additionalEventData.bytesTransferredIn": "33120",
        "requestParameters.x-amz-acl": "bucket-owner-full-control", "requestParameters.bucketName": "lake",
        "responseElements.x-amz-server-side-encryption": "AES256", "readOnly": "false", "eventType": "AwsApiCall",
        "sharedEventID": "9b6c31ba-d524-4454-8686-2e1c130ea526", "recipientAccountId": "123456789012",
        "managementEvent": "false",
    },
}  # fmt: skip
CREATED_2: Row = {
    "activity_id": 1, "activity_name": "Create",
    "actor": {
        "session": {
            "created_time_dt": datetime(2026, 3, 11, 9, 43, 57, tzinfo=UTC), "is_mfa": False,
            "issuer": "arn:aws:iam::123456789012:role/Admin",
        },
        "user": {
            "account": {"uid": "123456789012"}, "credential_uid": "ASIA2W7SOKHEXAMPLE", "type": "AssumedRole",
            "uid": "arn:aws:sts::123456789012:assumed-role/Admin/Admin-user",
            "uid_alt": "AROA2W7SOKHEXAMPLE:Admin-user",
        },
    },
    "api": {
        "operation": "CreateUser",
        "request": {"data": '{"userName":"test_user2"}', "uid": "c99bf9da-e0bd-4bf7-bb32-example"},
        "response": {"data": '{"user":{"path":"/","userName":"test_user2","userId":"AIDA2W7SOKHEXAMPLE"}}'},
        "service": {"name": "iam.amazonaws.com"},
    },
    "category_name": "Identity & Access Management", "category_uid": 3, "class_name": "Account Change",
    "class_uid": 3001, "cloud": {"provider": "AWS", "region": "us-east-1"},
    "http_request": {"user_agent": "AWS Internal"},
    "metadata": {
        "event_code": "AwsApiCall",
        "product": {"feature": {"name": "Management"}, "name": "CloudTrail", "vendor_name": "AWS", "version": "1.08"},
        "profiles": ["cloud", "datetime"], "uid": "7dd15a89-ae0f-4340-8e6c-example", "version": "1.1.0",
    },
    "observables": [{"name": "src_endpoint.ip", "type": "IP Address", "type_id": 2, "value": "192.0.2.21"}],
    "severity": "Informational", "severity_id": 1, "src_endpoint": {"ip": "192.0.2.21"}, "status": "Success",
    "time": 1773222879000, "time_dt": datetime(2026, 3, 11, 9, 54, 39, tzinfo=UTC),
    "type_name": "Account Change: Create", "type_uid": 300101,
    "unmapped": {
        "managementEvent": "true", "readOnly": "false", "recipientAccountId": "123456789012",
        "sessionCredentialFromConsole": "true",
        "userIdentity.sessionContext.sessionIssuer.accountId": "123456789012",
        "userIdentity.sessionContext.sessionIssuer.principalId": "AROA2W7SOKHEXAMPLE",
        "userIdentity.sessionContext.sessionIssuer.type": "Role",
        "userIdentity.sessionContext.sessionIssuer.userName": "Admin",
    },
    "user": {"name": "test_user2", "uid": "arn:aws:iam::123456789012:user/test_user2", "uid_alt": "AIDA2W7SOKHEXAMPLE"},
}  # fmt: skip
