#!/usr/bin/env python3
"""Calls every operation of ECS's classic surface through boto3, with full and with minimal input, and holds every request and
every answer against botocore's own model and against docs/compatibility.md.

Usage: conformance.py ENDPOINT_URL. Expects a cluster `default` with simulated container instances. Ends with 1 where an answer
has a member that the model lacks, a member is missing that no page explains, or an exception isn't the one that was provoked.
"""
import sys
import uuid

import exceptions
import full as everything
import minimal
import table
from recorder import Recorder

recorder = Recorder(sys.argv[1])
ecs, call, refused, until, wrong = recorder.ecs, recorder.call, recorder.refused, recorder.until, recorder.wrong


def is_free(operation, **arguments):
    """Whether a call is answered, and not refused since something is still in use."""
    try:
        call(operation, **arguments)
    except ecs.exceptions.ResourceInUseException:
        return False
    return True


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
call("DescribeServiceDeployments", serviceDeploymentArns=[deployments[0]["serviceDeploymentArn"]])
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
limited = call("RunTask", taskDefinition="web:1")["tasks"][0]["taskArn"]
call("StopTask", task=limited)
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
pause = {"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"], "timeoutConfiguration": {"timeoutInMinutes": 60, "action": "ROLLBACK"}}
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

# One that is stopped for good while it pauses.
call("CreateService", serviceName="halted", taskDefinition="web:2", desiredCount=1, deploymentConfiguration=blue_green)
halted = call("ListServiceDeployments", service="halted")["serviceDeployments"][0]["serviceDeploymentArn"]
call("StopServiceDeployment", serviceDeploymentArn=halted, stopType="ABORT")
until("it is stopped", lambda: "stoppedAt" in call("DescribeServiceDeployments", serviceDeploymentArns=[halted])["serviceDeployments"][0])

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

# A client that acts as an agent.
document = '{"instanceId": "i-1", "availabilityZone": "us-east-1b", "instanceType": "m5.large", "imageId": "ami-1"}'
total = [{"name": "CPU", "type": "INTEGER", "integerValue": 2048}, {"name": "MEMORY", "type": "DOUBLE", "doubleValue": 4096.0},
         {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22"]}, {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []}]
registration = dict(
    cluster="second", instanceIdentityDocument=document, instanceIdentityDocumentSignature="any", totalResources=total,
    versionInfo={"agentVersion": "1.97.1", "agentHash": "abc", "dockerVersion": "DockerVersion: 25.0.8"},
    attributes=[{"name": "ecs.os-type", "value": "linux"}, {"name": "mine", "value": "x"}],
    platformDevices=[{"id": "gpu-0", "type": "GPU"}], tags=tags)
own = call("RegisterContainerInstance", **registration)["containerInstance"]["containerInstanceArn"]
call("RegisterContainerInstance", **dict(registration, containerInstanceArn=own, totalResources=[
    {"name": "MEMORY", "type": "LONG", "longValue": 4096}]))
call("DiscoverPollEndpoint", cluster="second", containerInstance=own)
call("RegisterTaskDefinition", family="net", networkMode="awsvpc", containerDefinitions=[dict(app, portMappings=[{"containerPort": 80}])])
# The second subnet is in the second zone, as the instance that this agent is.
beside = {"awsvpcConfiguration": dict(network["awsvpcConfiguration"], subnets=["subnet-2"])}
given = call("RunTask", cluster="second", taskDefinition="net", launchType="EC2", networkConfiguration=beside,
             placementStrategy=[{"type": "random"}], propagateTags="TASK_DEFINITION", clientToken=str(uuid.uuid4()))
given = given["tasks"][0]
attachments = [{"attachmentArn": f"arn:aws:ecs:us-east-1:000000000000:attachment/{given['attachments'][0]['id']}", "status": "ATTACHED"}]
call("SubmitAttachmentStateChanges", cluster="second", attachments=attachments)
binding = [{"bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 8080, "protocol": "tcp"},
           {"containerPortRange": "90-91", "hostPortRange": "9090-9091", "protocol": "udp"}]
call("SubmitContainerStateChange", cluster="second", task=given["taskArn"], containerName="app", status="RUNNING", runtimeId="r1",
     networkBindings=binding, reason="none", exitCode=0)
call("SubmitTaskStateChange", cluster="second", task=given["taskArn"], status="RUNNING", pullStartedAt=1, pullStoppedAt=2,
     attachments=attachments, containers=[{"containerName": "app", "status": "RUNNING", "imageDigest": "sha256:" + "0" * 64}])
call("SubmitTaskStateChange", cluster="second", task=given["taskArn"], status="STOPPED", reason="ended", executionStoppedAt=3,
     containers=[{"containerName": "app", "status": "STOPPED", "exitCode": 3, "reason": "done", "runtimeId": "r1", "networkBindings": binding}])
ended = call("DescribeTasks", cluster="second", tasks=[given["taskArn"]])["tasks"][0]
if (ended["lastStatus"], ended["containers"][0]["exitCode"], ended["stoppedReason"]) != ("STOPPED", 3, "ended"):
    wrong.append(f"the agent's word isn't taken: {ended}")

everything.run(recorder, instances[0], group.replace("mine", "full"))
minimal.run(recorder, service="web", task=fargate, instance=instances[0])
exceptions.run(recorder, service="web", outside="outside", task=fargate, own=own)

# And all of it is taken down again.
call("StopTask", task=fargate)
call("DeleteService", service="web", force=True)
for name in ("outside", "far", "green", "full", "halted"):
    call("DeleteService", service=name, force=True)
call("DeregisterTaskDefinition", taskDefinition="web:1")
call("DeleteTaskDefinitions", taskDefinitions=["web:1"])
call("DeregisterContainerInstance", containerInstance=instances[-1], force=True)
for name in ("second", "default"):
    # Tasks of the services that were just deleted may still use them.
    until(f"{name} has no capacity providers", lambda: is_free(
        "PutClusterCapacityProviders", cluster=name, capacityProviders=[], defaultCapacityProviderStrategy=[]))
call("DeleteCapacityProvider", capacityProvider="mine")
call("DeregisterContainerInstance", cluster="second", containerInstance=own, force=True)
call("DeleteCluster", cluster="second")

print(f"{len(recorder.called)} operations were called, in {sum(recorder.called.values())} calls")
missing = table.show(recorder)
for line in sorted(set(wrong)):
    print(f"WRONG {line}")
sys.exit(1 if wrong or missing else 0)
