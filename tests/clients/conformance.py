#!/usr/bin/env python3
"""Calls the operations of ECS through boto3 and holds every answer, byte for byte, against botocore's own model of the API.

Usage: conformance.py ENDPOINT_URL. Expects a cluster `default` with simulated container instances. Prints what it called and
which members no answer had; ends with 1 where an answer has a member that the model lacks, or an exception isn't the one that
was provoked. Touches nothing but the endpoint.
"""
import json
import sys
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1]
ecs = boto3.client(
    "ecs",
    endpoint_url=ENDPOINT,
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(retries={"max_attempts": 8, "mode": "standard"}),
)
model = ecs.meta.service_model
wrong = []
called = {}
seen = {}


def look(shape, value, path):
    """Walks an answer beside its shape: notes members that were seen, and what the model lacks."""
    if value is None:
        return
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            wrong.append(f"{path}: {value!r} is no structure")
            return
        for name, inner in value.items():
            if name not in shape.members:
                wrong.append(f"{path}.{name}: not in {shape.name}")
                continue
            seen.setdefault(shape.name, set()).add(name)
            look(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list":
        if not isinstance(value, list):
            wrong.append(f"{path}: {value!r} is no list")
            return
        for at, inner in enumerate(value):
            look(shape.member, inner, f"{path}[{at}]")
    elif shape.type_name == "map":
        for name, inner in value.items():
            look(shape.value, inner, f"{path}.{name}")
    elif shape.type_name == "string":
        if not isinstance(value, str):
            wrong.append(f"{path}: {value!r} is no string")
        elif getattr(shape, "enum", None) and value not in shape.enum:
            # ECS itself answers words that the model's enums lack (SUCCESSFUL, STOPPED …) only where they are plain strings.
            wrong.append(f"{path}: {value!r} is not in {shape.name}: {shape.enum}")
    elif shape.type_name == "timestamp":
        if not isinstance(value, (int, float)):
            wrong.append(f"{path}: {value!r} is no time in seconds")
    elif shape.type_name == "boolean":
        if not isinstance(value, bool):
            wrong.append(f"{path}: {value!r} is no boolean")
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        wrong.append(f"{path}: {value!r} is no number")


def before_parse(response_dict, **_):
    before_parse.body = response_dict["body"]


ecs.meta.events.register("before-parse.ecs", before_parse)


def method(operation):
    out = ""
    for at, letter in enumerate(operation):
        out += ("_" if letter.isupper() and at else "") + letter.lower()
    return getattr(ecs, out)


def call(operation, **arguments):
    """One call that must be answered; its parsed answer."""
    answer = method(operation)(**arguments)
    output = model.operation_model(operation).output_shape
    look(output, json.loads(before_parse.body), operation)
    called[operation] = called.get(operation, 0) + 1
    if not answer["ResponseMetadata"].get("RequestId"):
        wrong.append(f"{operation}: no request id")
    return answer


def refused(operation, exception, part="", **arguments):
    """One call that must be refused with that exception, as boto3 knows it."""
    try:
        method(operation)(**arguments)
    except ClientError as error:
        code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code != exception or part not in text:
            wrong.append(f"{operation}: {code} {text!r} instead of {exception} {part!r}")
        if not hasattr(ecs.exceptions, exception) and exception not in ("ThrottlingException", "UnknownOperationException"):
            wrong.append(f"{exception} is no exception of the model")
    else:
        wrong.append(f"{operation}: answered instead of {exception}")


def is_free(operation, **arguments):
    """Whether a call is answered, and not refused since something is still in use."""
    try:
        call(operation, **arguments)
    except ecs.exceptions.ResourceInUseException:
        return False
    return True


def until(what, condition, patience=60):
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            wrong.append(f"not within {patience} s: {what}")
            return
        time.sleep(0.1)


def stable(service):
    found = call("DescribeServices", services=[service])["services"][0]
    only = found["deployments"][0].get("rolloutState") == "COMPLETED" and len(found["deployments"]) == 1
    return only and found["runningCount"] == found["desiredCount"]


app = {"name": "app", "image": "app:1", "memory": 64, "cpu": 32, "essential": True}
tags = [{"key": "k", "value": "v"}]

# Clusters and capacity providers.
call("CreateCluster", clusterName="second", tags=tags, settings=[{"name": "containerInsights", "value": "disabled"}])
call("DescribeClusters", clusters=["second", "nowhere"], include=["TAGS", "SETTINGS", "STATISTICS", "ATTACHMENTS"])
call("UpdateCluster", cluster="second", settings=[{"name": "containerInsights", "value": "disabled"}])
call("UpdateClusterSettings", cluster="second", settings=[{"name": "containerInsights", "value": "disabled"}])
group = "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:" + str(uuid.uuid4()) + ":autoScalingGroupName/mine"
scaled = {"autoScalingGroupArn": group, "managedScaling": {"status": "ENABLED", "targetCapacity": 90}}
call("CreateCapacityProvider", name="mine", autoScalingGroupProvider=scaled, tags=tags)
call("UpdateCapacityProvider", name="mine", autoScalingGroupProvider={"managedScaling": {"status": "ENABLED"}})
call("DescribeCapacityProviders", capacityProviders=["mine", "FARGATE", "nothing"], include=["TAGS"])
call("PutClusterCapacityProviders", cluster="second", capacityProviders=["mine"],
     defaultCapacityProviderStrategy=[{"capacityProvider": "mine", "weight": 1, "base": 1}])
pages = list(ecs.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 1}))
if len(pages) < 2:
    wrong.append("ListClusters: one page where two were asked for")
call("ListClusters")
refused("DescribeServices", "ClusterNotFoundException", "Cluster not found.", cluster="nowhere", services=["a"])
refused("CreateCluster", "InvalidParameterException", clusterName="no blanks")
refused("DeleteCluster", "ClusterContainsContainerInstancesException", cluster="default")

# Task definitions.
full = dict(
    app,
    portMappings=[{"containerPort": 80, "hostPort": 0, "protocol": "tcp", "name": "web"}],
    environment=[{"name": "A", "value": "b"}],
    healthCheck={"command": ["CMD", "true"], "interval": 5, "timeout": 2, "retries": 2, "startPeriod": 1},
    ulimits=[{"name": "nofile", "softLimit": 10, "hardLimit": 20}],
    dockerLabels={"a": "b"},
    stopTimeout=5,
    startTimeout=30,
    linuxParameters={"initProcessEnabled": True},
    command=["run"],
    entryPoint=["sh"],
    workingDirectory="/",
    user="root",
    readonlyRootFilesystem=False,
    memoryReservation=32,
    logConfiguration={"logDriver": "json-file", "options": {"max-size": "1m"}},
)
side = {"name": "side", "image": "side:1", "memory": 32, "essential": False,
        "dependsOn": [{"containerName": "app", "condition": "START"}]}
call("RegisterTaskDefinition", family="web", containerDefinitions=[full, side], tags=tags, networkMode="bridge",
     volumes=[{"name": "v", "host": {}}], placementConstraints=[{"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}])
call("RegisterTaskDefinition", family="web", containerDefinitions=[app])
call("DescribeTaskDefinition", taskDefinition="web:1", include=["TAGS"])
call("ListTaskDefinitions", familyPrefix="web", sort="DESC")
call("ListTaskDefinitionFamilies", status="ACTIVE")
refused("RegisterTaskDefinition", "ClientException", "image", family="x", containerDefinitions=[{"name": "a", "memory": 8}])
refused("DescribeTaskDefinition", "ClientException", "Unable to describe", taskDefinition="nothing")

# Services, their deployments and revisions.
call("CreateService", serviceName="web", taskDefinition="web:2", desiredCount=2, tags=tags, propagateTags="SERVICE",
     enableECSManagedTags=True, placementStrategy=[{"type": "spread", "field": "attribute:ecs.availability-zone"}],
     placementConstraints=[{"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}],
     deploymentConfiguration={"maximumPercent": 200, "minimumHealthyPercent": 50,
                              "deploymentCircuitBreaker": {"enable": True, "rollback": True}})
until("web is stable", lambda: stable("web"))
call("DescribeServices", services=["web", "nowhere"], include=["TAGS"])
call("ListServices", launchType="EC2", schedulingStrategy="REPLICA")
call("UpdateService", service="web", desiredCount=3, healthCheckGracePeriodSeconds=1)
call("UpdateService", service="web", taskDefinition="web:1", forceNewDeployment=True)
deployments = call("ListServiceDeployments", service="web")["serviceDeployments"]
described = call("DescribeServiceDeployments", serviceDeploymentArns=[deployments[0]["serviceDeploymentArn"]])
revision = described["serviceDeployments"][0]["targetServiceRevision"]["arn"]
call("DescribeServiceRevisions", serviceRevisionArns=[revision])
call("StopServiceDeployment", serviceDeploymentArn=deployments[0]["serviceDeploymentArn"], stopType="ROLLBACK")
until("web is stable again", lambda: stable("web"))
refused("ContinueServiceDeployment", "ServiceDeploymentNotFoundException",
        serviceDeploymentArn=deployments[0]["serviceDeploymentArn"].rsplit("/", 1)[0] + "/nothing", hookId="h", action="CONTINUE")
refused("DeleteService", "InvalidParameterException", "scaled above 0", service="web")
refused("UpdateService", "ServiceNotFoundException", service="nowhere", desiredCount=1)

# Tasks.
run = call("RunTask", taskDefinition="web:2", count=2, startedBy="me", group="g", tags=tags, enableECSManagedTags=True,
           overrides={"containerOverrides": [{"name": "app", "command": ["x"], "environment": [{"name": "E", "value": "f"}]}]})
arns = [task["taskArn"] for task in run["tasks"]]
until("both run", lambda: all(
    task["lastStatus"] == "RUNNING" for task in call("DescribeTasks", tasks=arns, include=["TAGS"])["tasks"]))
call("ListTasks", startedBy="me", desiredStatus="RUNNING")
call("RunTask", taskDefinition="web:2", launchType="EC2", placementConstraints=[{"type": "memberOf", "expression": "attribute:no == no"}])
instances = call("ListContainerInstances", status="ACTIVE", filter="attribute:ecs.os-type == linux")["containerInstanceArns"]
call("StartTask", taskDefinition="web:2", containerInstances=instances[:1], startedBy="me")
call("StopTask", task=arns[0], reason="enough")
until("it is stopped", lambda: call("DescribeTasks", tasks=arns[:1])["tasks"][0]["lastStatus"] == "STOPPED")
of_service = call("ListTasks", serviceName="web")["taskArns"]
call("UpdateTaskProtection", cluster="default", tasks=of_service[:1] + arns[1:], protectionEnabled=True, expiresInMinutes=5)
call("GetTaskProtection", cluster="default", tasks=of_service[:2])
call("UpdateTaskProtection", cluster="default", tasks=of_service[:1], protectionEnabled=False)
refused("StopTask", "InvalidParameterException", "not found", task="0" * 32)
refused("RunTask", "ClientException", "TaskDefinition not found.", taskDefinition="nothing")

# Fargate.
job = dict(app, portMappings=[{"containerPort": 80, "appProtocol": "http"}], cpu=0, restartPolicy={"enabled": True, "restartAttemptPeriod": 60})
del job["memory"]
call("RegisterTaskDefinition", family="job", containerDefinitions=[job], requiresCompatibilities=["FARGATE"], networkMode="awsvpc",
     cpu="256", memory="512", executionRoleArn="arn:aws:iam::000000000000:role/execution", taskRoleArn="arn:aws:iam::000000000000:role/task",
     runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}, ephemeralStorage={"sizeInGiB": 30})
network = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}}
call("PutClusterCapacityProviders", cluster="default", capacityProviders=["FARGATE", "FARGATE_SPOT", "mine"],
     defaultCapacityProviderStrategy=[])
spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
fargate = call("RunTask", taskDefinition="job", capacityProviderStrategy=spot, networkConfiguration=network, platformVersion="1.4.0",
               overrides={"cpu": "512", "memory": "1024"})["tasks"][0]["taskArn"]
until("the Fargate task runs", lambda: call("DescribeTasks", tasks=[fargate])["tasks"][0]["lastStatus"] == "RUNNING")
call("CreateService", serviceName="far", taskDefinition="job", desiredCount=1, capacityProviderStrategy=spot,
     networkConfiguration=network, platformVersion="LATEST")
until("far is stable", lambda: stable("far"))
call("DescribeTasks", tasks=call("ListTasks", serviceName="far")["taskArns"])
far = call("ListServiceDeployments", service="far")["serviceDeployments"][0]["serviceDeploymentArn"]
far = call("DescribeServiceDeployments", serviceDeploymentArns=[far])["serviceDeployments"][0]
call("DescribeServiceRevisions", serviceRevisionArns=[far["targetServiceRevision"]["arn"]])

# A deployment that pauses until somebody says so.
pause = {"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]}
blue_green = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0, "lifecycleHooks": [pause]}
call("CreateService", serviceName="green", taskDefinition="web:2", desiredCount=1, deploymentConfiguration=blue_green)
paused = []


def pauses():
    arn = call("ListServiceDeployments", service="green")["serviceDeployments"][0]["serviceDeploymentArn"]
    found = call("DescribeServiceDeployments", serviceDeploymentArns=[arn])["serviceDeployments"][0]
    paused[:] = [(arn, hook["hookId"]) for hook in found.get("lifecycleHookDetails", []) if hook["status"].startswith("AWAIT")]
    return bool(paused)


until("green pauses", pauses)
for arn, hook in paused:
    call("ContinueServiceDeployment", serviceDeploymentArn=arn, hookId=hook, action="CONTINUE")
until("green is stable", lambda: stable("green"))

# Container instances and attributes.
call("DescribeContainerInstances", containerInstances=instances + ["0" * 32], include=["TAGS", "CONTAINER_INSTANCE_HEALTH"])
call("UpdateContainerInstancesState", containerInstances=instances[-1:], status="DRAINING")
call("UpdateContainerInstancesState", containerInstances=instances[-1:], status="ACTIVE")
call("PutAttributes", attributes=[{"name": "stack", "value": "blue", "targetType": "container-instance", "targetId": instances[0].rsplit("/", 1)[1]}])
call("ListAttributes", targetType="container-instance", attributeName="stack")
call("DeleteAttributes", attributes=[{"name": "stack", "targetType": "container-instance", "targetId": instances[0].rsplit("/", 1)[1]}])
refused("DeregisterContainerInstance", "InvalidParameterException", containerInstance=instances[0])

# Task sets.
call("CreateService", serviceName="outside", desiredCount=2, deploymentController={"type": "EXTERNAL"})
made = call("CreateTaskSet", service="outside", cluster="default", taskDefinition="web:2", launchType="EC2",
            externalId="e", scale={"value": 50, "unit": "PERCENT"}, tags=tags)["taskSet"]["id"]
call("UpdateServicePrimaryTaskSet", cluster="default", service="outside", primaryTaskSet=made)
call("UpdateTaskSet", cluster="default", service="outside", taskSet=made, scale={"value": 100, "unit": "PERCENT"})
call("DescribeTaskSets", cluster="default", service="outside", taskSets=[made], include=["TAGS"])
call("DeleteTaskSet", cluster="default", service="outside", taskSet=made, force=True)

# Tags and account settings.
service = call("DescribeServices", services=["web"])["services"][0]["serviceArn"]
call("TagResource", resourceArn=service, tags=[{"key": "a", "value": "b"}])
call("ListTagsForResource", resourceArn=service)
call("UntagResource", resourceArn=service, tagKeys=["a"])
call("PutAccountSetting", name="containerInsights", value="disabled")
call("PutAccountSettingDefault", name="containerInsights", value="disabled")
call("ListAccountSettings", effectiveSettings=True)
call("DeleteAccountSetting", name="containerInsights")

# And all of it is taken down again.
call("StopTask", task=fargate)
call("DeleteService", service="web", force=True)
for name in ("outside", "far", "green"):
    call("DeleteService", service=name, force=True)
call("DeregisterTaskDefinition", taskDefinition="web:1")
call("DeleteTaskDefinitions", taskDefinitions=["web:1"])
call("DeregisterContainerInstance", containerInstance=instances[-1], force=True)
for name in ("second", "default"):
    # Tasks of the services that were just deleted may still use them.
    until(f"{name} has no capacity providers", lambda: is_free(
        "PutClusterCapacityProviders", cluster=name, capacityProviders=[], defaultCapacityProviderStrategy=[]))
call("DeleteCapacityProvider", capacityProvider="mine")
call("DeleteCluster", cluster="second")

print(f"{len(called)} operations answered in {sum(called.values())} calls")
for name in sorted(seen):
    missing = sorted(set(model.shape_for(name).members) - seen[name])
    if missing:
        print(f"never answered in {name}: {' '.join(missing)}")
for line in sorted(set(wrong)):
    print(f"WRONG {line}")
sys.exit(1 if wrong else 0)
