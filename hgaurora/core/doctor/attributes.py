# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a property of a cluster is called in the tool that made it.

Names: Terraform's AWS provider (Pulumi's and upjet's Crossplane provider are generated from it), CloudFormation's
resource types, the CDK's ``aws-rds`` module, Ansible's ``amazon.aws.rds_cluster``, Project Planton's ``AwsRdsCluster``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

#: tool to its name as people write it
TOOLS: Mapping[str, str] = {
    "terraform": "Terraform",
    "pulumi": "Pulumi",
    "cloudformation": "CloudFormation",
    "cdk": "CDK",
    "crossplane": "Crossplane",
    "planton": "Project Planton",
    "ansible": "Ansible",
}
#: of what an attribute is: its type in each tool
_TYPES: Mapping[str, Mapping[str, str]] = {
    "cluster": {
        "terraform": "aws_rds_cluster",
        "pulumi": "aws.rds.Cluster",
        "cloudformation": "AWS::RDS::DBCluster",
        "cdk": "rds.DatabaseCluster",
        "crossplane": "Cluster, spec.forProvider",
        "planton": "AwsRdsCluster, spec",
        "ansible": "amazon.aws.rds_cluster",
    },
    "instance": {
        "terraform": "aws_rds_cluster_instance",
        "pulumi": "aws.rds.ClusterInstance",
        "cloudformation": "AWS::RDS::DBInstance",
        "cdk": "rds.ClusterInstance",
        "crossplane": "ClusterInstance, spec.forProvider",
        "planton": "AwsRdsCluster, spec.instances",
        "ansible": "amazon.aws.rds_instance",
    },
    "parameters": {
        "terraform": "aws_rds_cluster_parameter_group, parameter",
        "pulumi": "aws.rds.ClusterParameterGroup, parameters",
        "cloudformation": "AWS::RDS::DBClusterParameterGroup, Parameters",
        "cdk": "rds.DatabaseCluster, parameters",
        "crossplane": "ClusterParameterGroup, spec.forProvider.parameter",
        "planton": "AwsRdsCluster, spec.parameters",
        "ansible": "amazon.aws.rds_cluster_param_group, parameters",
    },
}


@dataclass(frozen=True)
class Attribute:
    """One property.

    :ivar terraform: its name there; Pulumi's and Crossplane's follow from it.
    :ivar cdk: empty where its construct has no such property; so are ``ansible`` and ``planton``.
    :ivar of: cluster, instance or parameters.
    """

    terraform: str
    cloudformation: str
    cdk: str = ""
    ansible: str = ""
    planton: bool = True
    of: str = "cluster"

    def name(self, tool: str) -> str:
        """What a tool calls it; empty where it has no word for it."""
        if self.of == "parameters":
            return self.terraform
        match tool:
            case "terraform":
                return self.terraform
            case "cloudformation":
                return self.cloudformation
            case "cdk":
                return self.cdk
            case "ansible":
                return self.ansible
            case "planton" if not self.planton:
                return ""
        first, *rest = self.terraform.split("_")
        return first + "".join(part.capitalize() for part in rest)


def _instance(terraform: str, cloudformation: str, cdk: str = "", ansible: str = "", planton: bool = True) -> Attribute:
    return Attribute(terraform, cloudformation, cdk, ansible, planton, "instance")


def _parameter(name: str) -> Attribute:
    return Attribute(name, name, name, name, of="parameters")


#: the names that rules use
ATTRIBUTES: Mapping[str, Attribute] = {
    "encrypted": Attribute("storage_encrypted", "StorageEncrypted", "storageEncrypted", "storage_encrypted"),
    "key": Attribute("kms_key_id", "KmsKeyId", "storageEncryptionKey", "kms_key_id"),
    "deletion-protection": Attribute(
        "deletion_protection", "DeletionProtection", "deletionProtection", "deletion_protection"
    ),
    "retention": Attribute(
        "backup_retention_period", "BackupRetentionPeriod", "backup.retention", "backup_retention_period"
    ),
    "copy-tags": Attribute(
        "copy_tags_to_snapshot", "CopyTagsToSnapshot", "copyTagsToSnapshot", "copy_tags_to_snapshot"
    ),
    "backtrack": Attribute("backtrack_window", "BacktrackWindow", "backtrackWindow", "backtrack_window", planton=False),
    "iam": Attribute(
        "iam_database_authentication_enabled",
        "EnableIAMDatabaseAuthentication",
        "iamAuthentication",
        "enable_iam_database_authentication",
    ),
    "log-exports": Attribute(
        "enabled_cloudwatch_logs_exports",
        "EnableCloudwatchLogsExports",
        "cloudwatchLogsExports",
        "enable_cloudwatch_logs_exports",
    ),
    "insights": Attribute(
        "performance_insights_enabled", "PerformanceInsightsEnabled", "enablePerformanceInsights", planton=False
    ),
    "managed-secret": Attribute("manage_master_user_password", "ManageMasterUserPassword"),
    "data-api": Attribute("enable_http_endpoint", "EnableHttpEndpoint", "enableDataApi", "enable_http_endpoint"),
    "version": Attribute("engine_version", "EngineVersion", "engine", "engine_version"),
    "serverless": Attribute(
        "serverlessv2_scaling_configuration.min_capacity",
        "ServerlessV2ScalingConfiguration.MinCapacity",
        "serverlessV2MinCapacity",
        planton=False,
    ),
    "monitoring": _instance("monitoring_interval", "MonitoringInterval", "", "monitoring_interval", planton=False),
    "public": _instance("publicly_accessible", "PubliclyAccessible", "publiclyAccessible", "publicly_accessible"),
    "tier": _instance("promotion_tier", "PromotionTier", "promotionTier", "promotion_tier"),
    "zone": _instance("availability_zone", "AvailabilityZone", "availabilityZone", "availability_zone", planton=False),
    "certificate": _instance(
        "ca_cert_identifier", "CACertificateIdentifier", "caCertificate", "ca_certificate_identifier", planton=False
    ),
    "rds.force_ssl": _parameter("rds.force_ssl"),
    "require_secure_transport": _parameter("require_secure_transport"),
}


def assigned(attribute: str, value: object, tool: str) -> str | None:
    """How a tool's file says that an attribute has a value: ``deletion_protection = true (Terraform
    aws_rds_cluster)``; None where it has no word for it."""
    known = ATTRIBUTES[attribute]
    name = known.name(tool)
    if not name:
        return None
    between = " = " if tool == "terraform" else ": "
    return f"{name}{between}{json.dumps(value)} ({TOOLS[tool]} {_TYPES[known.of][tool]})"
