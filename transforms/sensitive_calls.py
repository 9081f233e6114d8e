"""API calls by which an intruder gains something: rights, secrets, data, a foothold, or darkness."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_RIGHTS = "gives rights"
_OTHER_IDENTITY = "takes another identity"
_SECRETS = "reads secrets"
_SHARES = "opens data to others"
_RUNS = "runs code elsewhere"
_BLINDS = "blinds those who watch"
_OPENS = "opens the network"
_DESTROYS = "destroys data"
_ACCOUNT = "changes the account itself"
LOOKS = "asks who may do what"
"""Harmful only together with others: one of them alone is also what an inventory does."""

_CALLS: tuple[tuple[str, str], ...] = (
    # Persistence and escalation by identities: T1098, T1136.
    ("iam:(?:Create(?:User|Role|AccessKey|LoginProfile|Policy|PolicyVersion|InstanceProfile|OpenIDConnectProvider"
     "|SAMLProvider|ServiceSpecificCredential|VirtualMFADevice)|Put(?:User|Role|Group)Policy"
     "|Attach(?:User|Role|Group)Policy|(?:Put|Delete)(?:User|Role)PermissionsBoundary|Update(?:AssumeRolePolicy"
     "|LoginProfile|AccessKey|SAMLProvider|OpenIDConnectProviderThumbprint)|Add(?:UserToGroup|RoleToInstanceProfile)"
     "|SetDefaultPolicyVersion|DeactivateMFADevice|DeleteVirtualMFADevice|Upload(?:SSHPublicKey|SigningCertificate)"
     "|Delete(?:User|Role|Group)Policy|Detach(?:User|Role|Group)Policy)", _RIGHTS),
    ("(?:sso|sso-directory|identitystore):(?:Create|Update|Add|Attach|Put)[A-Z][A-Za-z]*", _RIGHTS),
    ("rolesanywhere:(?:Create|Update|Enable)[A-Z][A-Za-z]*", _RIGHTS),
    ("kms:(?:CreateGrant|PutKeyPolicy)", _RIGHTS),
    # A function has its role; what it asks STS for is somebody else's, or lives longer: T1550.001.
    ("sts:(?:AssumeRole|AssumeRoleWithSAML|AssumeRoleWithWebIdentity|AssumeRoot|GetFederationToken|GetSessionToken)",
     _OTHER_IDENTITY),
    ("signin:[A-Z][A-Za-z]*", _OTHER_IDENTITY),
    # T1552, T1555.006.
    ("secretsmanager:(?:GetSecretValue|BatchGetSecretValue|PutResourcePolicy)", _SECRETS),
    ("ssm:(?:GetParametersByPath|GetParameterHistory)", _SECRETS),
    ("ec2:(?:GetPasswordData|GetConsoleScreenshot|GetLaunchTemplateData)", _SECRETS),
    # Snapshots, images, buckets and queues given to another account: T1537.
    ("ec2:Modify(?:Snapshot|Image|FpgaImage)Attribute|ec2:CreateStoreImageTask|ec2:ExportImage", _SHARES),
    ("rds:(?:ModifyDB(?:Cluster)?SnapshotAttribute|StartExportTask|ModifyActivityStream)", _SHARES),
    ("s3:(?:(?:Put|Delete)BucketPolicy|PutBucketAcl|PutObjectAcl|PutBucketReplication"
     "|(?:Put|Delete)(?:Bucket|Account)?PublicAccessBlock|PutBucketWebsite|PutBucketCors)", _SHARES),
    ("(?:sns|sqs):AddPermission|ecr:SetRepositoryPolicy|ecr-public:[A-Z][A-Za-z]*|dynamodb:PutResourcePolicy"
     "|redshift:AuthorizeSnapshotAccess|ssm:ModifyDocumentPermission|glacier:SetVaultAccessPolicy"
     "|es:(?:Update|Create)(?:ElasticsearchDomainConfig|DomainConfig)", _SHARES),
    # Code in other functions, machines, builds and jobs: T1648, T1651, T1578.002.
    ("lambda:(?:UpdateFunctionCode|UpdateFunctionConfiguration|CreateFunction|AddPermission|PublishLayerVersion"
     "|AddLayerVersionPermission|(?:Create|Update)FunctionUrlConfig|(?:Create|Update)EventSourceMapping|UpdateAlias)",
     _RUNS),
    ("ec2:(?:RunInstances|RequestSpotInstances|RequestSpotFleet|CreateFleet|ModifyInstanceAttribute"
     "|(?:Associate|Replace)IamInstanceProfile(?:Association)?|CreateLaunchTemplate(?:Version)?|CreateKeyPair"
     "|ImportKeyPair|EnableSerialConsoleAccess)|lightsail:Create[A-Z][A-Za-z]*", _RUNS),
    ("ssm:(?:SendCommand|StartSession|StartAutomationExecution|CreateAssociation)"
     "|ec2-instance-connect:[A-Z][A-Za-z]*|ecs:(?:RegisterTaskDefinition|RunTask|ExecuteCommand|CreateService)"
     "|codebuild:(?:Create|Update)Project|cloudformation:(?:Create|Update)Stack(?:Set)?"
     "|cloudformation:ExecuteChangeSet|glue:(?:Create|Update)(?:DevEndpoint|Job)|sagemaker:Create(?:NotebookInstance"
     "|PresignedNotebookInstanceUrl|ProcessingJob|TrainingJob)|events:PutRule|cloudshell:[A-Z][A-Za-z]*", _RUNS),
    # T1685.
    ("cloudtrail:(?:StopLogging|DeleteTrail|UpdateTrail|PutEventSelectors|PutInsightSelectors|DeleteEventDataStore)"
     "|ec2:DeleteFlowLogs|guardduty:(?:Delete|Disassociate|Stop|Update|Create(?:Filter|IPSet))[A-Za-z]*"
     "|config:(?:Stop|Delete)[A-Z][A-Za-z]*|securityhub:(?:Disable|Delete)[A-Z][A-Za-z]*"
     "|logs:(?:DeleteLogGroup|DeleteLogStream|PutRetentionPolicy|DeleteSubscriptionFilter)"
     "|route53resolver:(?:Delete|Disassociate)ResolverQueryLogConfig|cloudwatch:DeleteAlarms"
     "|monitoring:(?:DeleteAlarms|DisableAlarmActions)|macie2:Disable[A-Z][A-Za-z]*|access-analyzer:DeleteAnalyzer"
     "|wafv2:DeleteLoggingConfiguration|s3:PutBucketLogging|inspector2:Disable", _BLINDS),
    ("ec2:(?:AuthorizeSecurityGroup(?:In|E)gress|ModifySecurityGroupRules|(?:Create|Replace)NetworkAclEntry|CreateRoute"
     "|ReplaceRoute|CreateVpcPeeringConnection|AcceptVpcPeeringConnection|CreateTrafficMirror[A-Za-z]*)", _OPENS),
    # T1485, T1486, T1490.
    ("s3:(?:DeleteBucket|PutBucketLifecycle|PutLifecycleConfiguration|PutBucketVersioning|PutBucketEncryption"
     "|PutEncryptionConfiguration)|rds:Delete[A-Z][A-Za-z]*|dynamodb:Delete(?:Table|Backup)|backup:Delete[A-Z][A-Za-z]*"
     "|ec2:(?:Delete(?:Snapshot|Volume)|TerminateInstances|DeregisterImage)|kms:(?:ScheduleKeyDeletion|DisableKey"
     "|DeleteImportedKeyMaterial)|elasticfilesystem:DeleteFileSystem|sqs:PurgeQueue|secretsmanager:DeleteSecret",
     _DESTROYS),
    ("organizations:(?:LeaveOrganization|CreateAccount|InviteAccountToOrganization|DetachPolicy|DeletePolicy"
     "|RemoveAccountFromOrganization|DisablePolicyType)|account:[A-Z][A-Za-z]*|route53domains:[A-Z][A-Za-z]*"
     "|servicequotas:RequestServiceQuotaIncrease|support:CreateCase", _ACCOUNT),
    ("iam:(?:GetAccountAuthorizationDetails|SimulatePrincipalPolicy|SimulateCustomPolicy|ListUsers|ListRoles"
     "|ListAccessKeys|GetCredentialReport|GenerateCredentialReport|List(?:Attached)?(?:User|Role)Policies)"
     "|organizations:(?:ListAccounts|DescribeOrganization)", LOOKS),
)  # fmt: skip
"""A pattern of `service:Action` without the version that Lambda's have, and what the call does.

From what incidents and attack tools used (TrailDiscover, Stratus Red Team): what serves the intruder, and what a
function that never did it has little cause to begin. Calls that also every release may add (reading a parameter, an
object, a queue) are none.
"""


def harm(thing: Column) -> Column:
    """What a call `service:Action` does, if it is sensitive; else NULL.

    `iam:CreateUser` → `gives rights`, `lambda:UpdateFunctionCode20150331v2` → `runs code elsewhere`, `s3:GetObject` →
    NULL.
    """
    return F.coalesce(*[F.when(thing.rlike(f"^(?:{calls})(?:20[0-9]{{6}}.*)?$"), what) for calls, what in _CALLS])


DENIED = (
    r"(?i)access ?denied|unauthori[sz]ed|not ?authori[sz]ed|authorizationerror|authorization ?header|authfailure"
    r"|forbidden|optinrequired"
)
"""Error codes by which AWS says that one may not: `AccessDenied`, `Client.UnauthorizedOperation`, … A bucket without a
policy (`NoSuchBucketPolicy`), throttling and wrong parameters are none."""
