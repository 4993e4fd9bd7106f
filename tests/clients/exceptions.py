"""Provokes each exception that botocore's model documents for an operation of the classic surface, and says of those that can't
be provoked why.
"""
# Documented by AWS, and never answered here: nothing here could be the cause.
NEVER = {
    "AccessDeniedException": "only with --require-signature, where another script provokes it (tests/tests/suite/credentials.rs)",
    "BlockedException": "no account is ever blocked here",
    "ServerException": "only where no controller leads, or a write's fate isn't known: the suites that kill controllers provoke it",
    "TargetNotConnectedException": "there is no ECS Exec yet: a task never has it enabled",
    "UpdateInProgressException": "agents aren't updated here, and no write takes longer than one entry of the log",
}

# Capacity providers of an account in a region (controller/state/src/apply/capacity_provider.rs).
PROVIDERS_MAX = 1_000


def run(recorder, service, outside, task, own):
    refused, call = recorder.refused, recorder.call
    nowhere = "arn:aws:ecs:us-east-1:000000000000:"
    awsvpc = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    fargate = {"taskDefinition": "job", "launchType": "FARGATE", "networkConfiguration": awsvpc}
    instance = own.rsplit("/", 1)[1]
    attribute = {"name": "many", "targetType": "container-instance", "targetId": instance}
    refused("PutAttributes", "AttributeLimitExceededException", cluster="second",
            attributes=[dict(attribute, name=f"a{at}", value="x") for at in range(10)])
    refused("PutAttributes", "TargetNotFoundException", attributes=[dict(attribute, targetId="0" * 32)])
    refused("DeleteAttributes", "TargetNotFoundException", attributes=[dict(attribute, targetId="0" * 32)])

    # Clusters that contain something, each in turn.
    call("CreateCluster", clusterName="full", capacityProviders=["FARGATE"],
         defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1, "base": 1}])
    call("RegisterTaskDefinition", family="none", containerDefinitions=[{"name": "app", "image": "i", "memory": 8}])
    call("CreateService", cluster="full", serviceName="only", taskDefinition="none", desiredCount=0, launchType="EC2")
    refused("DeleteCluster", "ClusterContainsServicesException", cluster="full")
    call("DeleteService", cluster="full", service="only", force=True)
    waiting = [{"capacityProvider": "mine", "weight": 1}]
    call("PutClusterCapacityProviders", cluster="full", capacityProviders=["mine", "FARGATE"], defaultCapacityProviderStrategy=[])
    left = call("RunTask", cluster="full", taskDefinition="none", capacityProviderStrategy=waiting)["tasks"][0]["taskArn"]
    refused("DeleteCluster", "ClusterContainsTasksException", cluster="full")
    refused("PutClusterCapacityProviders", "ResourceInUseException", cluster="full", capacityProviders=[],
            defaultCapacityProviderStrategy=[])
    call("StopTask", cluster="full", task=left)
    recorder.until("the task that waits is stopped", lambda: call(
        "DescribeTasks", cluster="full", tasks=[left])["tasks"][0]["lastStatus"] == "STOPPED")
    refused("DeleteCluster", "ClusterContainsContainerInstancesException", cluster="default")

    conflict = {"taskDefinition": "web:2", "clientToken": "once"}
    call("RunTask", **conflict)
    response = refused("RunTask", "ConflictException", count=2, **conflict)
    if not response.get("resourceIds"):
        recorder.wrong.append(f"ConflictException names no resources: {response}")
    refused("RunTask", "PlatformUnknownException", platformVersion="9.9.9", **fargate)
    old = {"taskDefinition": "job", "launchType": "FARGATE", "networkConfiguration": awsvpc, "platformVersion": "1.3.0"}
    refused("RunTask", "PlatformTaskDefinitionIncompatibilityException", **old)
    refused("ExecuteCommand", "InvalidParameterException", "was not enabled", cluster="default", task=task, command="sh", interactive=True, container="app")
    refused("ExecuteCommand", "InvalidParameterException", "Interactive", task=task, command="sh", interactive=False)
    refused("TagResource", "ResourceNotFoundException", resourceArn=f"{nowhere}task/default/" + "0" * 32, tags=[{"key": "a", "value": "b"}])
    refused("UpdateContainerAgent", "NoUpdateAvailableException", cluster="second", containerInstance=own)
    bare = call("RegisterContainerInstance", cluster="full")["containerInstance"]["containerInstanceArn"]
    refused("UpdateContainerAgent", "MissingVersionException", cluster="full", containerInstance=bare)
    call("DeregisterContainerInstance", cluster="full", containerInstance=bare)
    refused("ListServicesByNamespace", "NamespaceNotFoundException", namespace="shop", maxResults=5)
    refused("StopServiceDeployment", "ServiceDeploymentNotFoundException",
            serviceDeploymentArn=f"{nowhere}service-deployment/default/{service}/nothing")
    refused("DeleteTaskSet", "TaskSetNotFoundException", cluster="default", service=outside, taskSet="ecs-svc/1")
    refused("UpdateTaskSet", "ServiceNotFoundException", cluster="default", service="nowhere", taskSet="ecs-svc/1",
            scale={"value": 1, "unit": "PERCENT"})
    refused("DescribeServices", "ClusterNotFoundException", cluster="nowhere", services=["a"])
    refused("CreateService", "UnsupportedFeatureException", "loadBalancers", serviceName="no", taskDefinition="web:2", desiredCount=1,
            loadBalancers=[{"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/a/b",
                            "containerName": "app", "containerPort": 80}])
    for strategy, more in [
        ("CANARY", {"canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1}}),
        ("LINEAR", {"linearConfiguration": {"stepPercent": 10.0, "stepBakeTimeInMinutes": 1}}),
    ]:
        refused("CreateService", "UnsupportedFeatureException", strategy, serviceName="no", taskDefinition="web:2", desiredCount=1,
                deploymentConfiguration=dict(more, strategy=strategy))
    refused("RunTask", "ClientException", "not found", taskDefinition="nothing")
    refused("CreateCapacityProvider", "UnsupportedFeatureException", name="managed", cluster="default",
            managedInstancesProvider={"infrastructureRoleArn": "arn:aws:iam::000000000000:role/r", "instanceLaunchTemplate": {
                "ec2InstanceProfileArn": "arn:aws:iam::000000000000:instance-profile/p",
                "networkConfiguration": {"subnets": ["subnet-1"]}}})
    elsewhere = recorder.elsewhere("eu-west-1")
    group = {"autoScalingGroupArn": "arn:aws:autoscaling:eu-west-1:000000000000:autoScalingGroup:x:autoScalingGroupName/many"}
    for at in range(PROVIDERS_MAX):
        elsewhere.create_capacity_provider(name=f"many-{at}", autoScalingGroupProvider=group)
    recorder.ecs, here = elsewhere, recorder.ecs
    refused("CreateCapacityProvider", "LimitExceededException", name="one-more", autoScalingGroupProvider=group)
    recorder.ecs = here
    call("CreateService", serviceName="gone", taskDefinition="web:2", desiredCount=0)
    call("DeleteService", service="gone")
    refused("UpdateService", "ServiceNotActiveException", service="gone", desiredCount=1)
    refused("DeleteCluster", "ClusterContainsCapacityProviderException", cluster="full")
    call("PutClusterCapacityProviders", cluster="full", capacityProviders=[], defaultCapacityProviderStrategy=[])
    call("DeleteCluster", cluster="full")
    refused("RunTask", "InvalidParameterException", taskDefinition="web:2", count=11)


def unprovoked(recorder):
    """Documented exceptions that no call got and that no reason excuses."""
    documented = {}
    for operation in recorder.operations:
        for shape in recorder.model.operation_model(operation).error_shapes:
            documented.setdefault(shape.name, set()).add(operation)
    return sorted(name for name in documented if name not in recorder.provoked and name not in NEVER)
