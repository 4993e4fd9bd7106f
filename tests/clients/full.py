"""Sends every member that Drydock doesn't refuse at least once: task definitions, services, task sets and lists with all that they
can have. What comes back is looked at by whoever records it.
"""
APP = {"name": "app", "image": "app:1", "memory": 64, "essential": True}
TAGS = [{"key": "k", "value": "v"}]
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}
ROLE = "arn:aws:iam::000000000000:role/"
SECRET = {"name": "S", "valueFrom": "arn:aws:ssm:us-east-1:000000000000:parameter/s"}
FILE = {"type": "s3", "value": "arn:aws:s3:::bucket/some.env"}


def task_definitions(call):
    host = dict(
        APP,
        privileged=True, hostname="h", links=["side"], interactive=True, pseudoTerminal=True, disableNetworking=False,
        dnsServers=["10.0.0.2"], dnsSearchDomains=["here"], dockerSecurityOptions=["no-new-privileges"],
        extraHosts=[{"hostname": "db", "ipAddress": "10.0.0.3"}], repositoryCredentials={"credentialsParameter": SECRET["valueFrom"]},
        resourceRequirements=[{"type": "GPU", "value": "1"}], secrets=[SECRET], environmentFiles=[FILE],
        systemControls=[{"namespace": "net.core.somaxconn", "value": "1024"}], versionConsistency="enabled",
        mountPoints=[{"sourceVolume": "data", "containerPath": "/data", "readOnly": True}],
        volumesFrom=[{"sourceContainer": "side", "readOnly": True}],
        portMappings=[{"containerPortRange": "8000-8010", "protocol": "tcp"}],
        linuxParameters={"capabilities": {"add": ["SYS_PTRACE"], "drop": ["MKNOD"]}, "sharedMemorySize": 64, "maxSwap": 64,
                         "swappiness": 10, "devices": [{"hostPath": "/dev/fuse", "containerPath": "/dev/fuse", "permissions": ["read"]}],
                         "tmpfs": [{"containerPath": "/tmp", "size": 16, "mountOptions": ["noexec"]}]},
        logConfiguration={"logDriver": "json-file", "options": {"max-size": "1m"}, "secretOptions": []},
        restartPolicy={"enabled": True, "ignoredExitCodes": [0], "restartAttemptPeriod": 60})
    side = {"name": "side", "image": "side:1", "memory": 32, "essential": False}
    volumes = [
        {"name": "data", "host": {"sourcePath": "/srv/data"}, "configuredAtLaunch": False},
        {"name": "docker", "dockerVolumeConfiguration": {"scope": "shared", "autoprovision": True, "driver": "local",
                                                         "driverOpts": {"type": "tmpfs"}, "labels": {"a": "b"}}},
        {"name": "efs", "efsVolumeConfiguration": {
            "fileSystemId": "fs-1", "transitEncryption": "ENABLED", "transitEncryptionPort": 2999,
            "rootDirectory": "/", "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"}}},
    ]
    call("RegisterTaskDefinition", family="host", networkMode="bridge", containerDefinitions=[host, side], volumes=volumes,
                      pidMode="task", ipcMode="task", taskRoleArn=ROLE + "task", executionRoleArn=ROLE + "execution")
    secret = {"name": "S", "valueFrom": SECRET["valueFrom"]}
    call("RegisterTaskDefinition", family="secret-log", executionRoleArn=ROLE + "execution", containerDefinitions=[dict(
        APP, logConfiguration={"logDriver": "splunk", "options": {"splunk-url": "https://x"}, "secretOptions": [secret]})])
    router = {"name": "router", "image": "fluent-bit:1", "memory": 32, "essential": True,
              "firelensConfiguration": {"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}}}
    call("RegisterTaskDefinition", family="routed", containerDefinitions=[
        router, dict(APP, logConfiguration={"logDriver": "awsfirelens", "options": {"Name": "stdout"}})])
    envoy = {"name": "envoy", "image": "envoy:1", "memory": 32, "essential": True, "user": "1337",
             "healthCheck": {"command": ["CMD", "true"]}}
    call("RegisterTaskDefinition", family="meshed", networkMode="awsvpc", containerDefinitions=[APP, envoy], enableFaultInjection=False,
         proxyConfiguration={"type": "APPMESH", "containerName": "envoy", "properties": [
             {"name": "IgnoredUID", "value": "1337"}, {"name": "ProxyIngressPort", "value": "15000"},
             {"name": "ProxyEgressPort", "value": "15001"}, {"name": "AppPorts", "value": "80"}]})
    windows = {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE", "cpuArchitecture": "X86_64"}
    call("RegisterTaskDefinition", family="win", runtimePlatform=windows, containerDefinitions=[dict(APP, credentialSpecs=[
        "credentialspec:arn:aws:s3:::bucket/spec.json"])], volumes=[{"name": "fsx", "fsxWindowsFileServerVolumeConfiguration": {
            "fileSystemId": "fs-1", "rootDirectory": "share",
            "authorizationConfig": {"credentialsParameter": SECRET["valueFrom"], "domain": "d"}}}])
    call("RegisterTaskDefinition", family="launch", networkMode="awsvpc", containerDefinitions=[APP], volumes=[
        {"name": "s3", "s3filesVolumeConfiguration": {
            "fileSystemArn": "arn:aws:s3files:us-east-1:000000000000:file-system/fs-1", "rootDirectory": "/", "transitEncryptionPort": 2049,
            "accessPointArn": "arn:aws:s3files:us-east-1:000000000000:file-system/fs-1/access-point/fsap-1"}}],
         taskRoleArn=ROLE + "task")


def tasks(call, instance):
    override = {"name": "app", "cpu": 10, "memory": 48, "memoryReservation": 16, "environmentFiles": [FILE],
                "resourceRequirements": []}
    gpu = {"name": "app", "resourceRequirements": [{"type": "GPU", "value": "1"}]}
    call("RunTask", taskDefinition="web:2", overrides={"containerOverrides": [gpu]})
    call("RunTask", taskDefinition="web:2", enableExecuteCommand=False, overrides={
        "taskRoleArn": ROLE + "task", "executionRoleArn": ROLE + "execution", "containerOverrides": [override]})
    call("RunTask", cluster="default", taskDefinition="job", launchType="FARGATE", networkConfiguration=NETWORK,
         overrides={"ephemeralStorage": {"sizeInGiB": 40}})
    call("StartTask", cluster="default", taskDefinition="web:2", containerInstances=[instance], group="g", tags=TAGS,
         propagateTags="TASK_DEFINITION", enableECSManagedTags=True, enableExecuteCommand=False,
         overrides={"containerOverrides": [{"name": "app", "command": ["x"]}]})
    call("StartTask", taskDefinition="net", containerInstances=[instance], networkConfiguration=NETWORK)


def services(call):
    alarms = {"alarmNames": [], "enable": False, "rollback": False}
    connect = {"enabled": False, "namespace": "n", "accessLogConfiguration": {"format": "TEXT", "includeQueryParameters": "DISABLED"},
               "logConfiguration": {"logDriver": "json-file"}, "services": [{
                   "portName": "web", "discoveryName": "d", "ingressPortOverride": 8080,
                   "clientAliases": [{"port": 80, "dnsName": "web", "testTrafficRules": {"header": {"name": "h", "value": {"exact": "x"}}}}],
                   "timeout": {"idleTimeoutSeconds": 1, "perRequestTimeoutSeconds": 1},
                   "tls": {"issuerCertificateAuthority": {"awsPcaAuthorityArn": "arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/a"},
                           "kmsKey": "k", "roleArn": ROLE + "tls"}}]}
    call("CreateService", cluster="default", serviceName="full", taskDefinition="web:2", desiredCount=0, clientToken="full",
         availabilityZoneRebalancing="ENABLED", enableExecuteCommand=False, healthCheckGracePeriodSeconds=0, schedulingStrategy="REPLICA",
         serviceConnectConfiguration=connect, deploymentConfiguration={"alarms": alarms})
    call("DescribeServices", cluster="default", services=["full"], include=["TAGS"])
    made = call("ListServiceDeployments", cluster="default", service="full")["serviceDeployments"][0]
    call("DescribeServiceRevisions", serviceRevisionArns=[made["targetServiceRevisionArn"]])
    call("UpdateService", cluster="default", service="full", availabilityZoneRebalancing="DISABLED", enableExecuteCommand=False,
         enableECSManagedTags=True, propagateTags="SERVICE", placementConstraints=[], placementStrategy=[],
         serviceConnectConfiguration=connect, deploymentConfiguration={"alarms": alarms, "maximumPercent": 150},
         deploymentController={"type": "ECS"})
    call("UpdateService", cluster="default", service="far", networkConfiguration=NETWORK, platformVersion="1.4.0", forceNewDeployment=True,
         capacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}])
    call("CreateTaskSet", cluster="default", service="outside", taskDefinition="job", networkConfiguration=NETWORK, platformVersion="1.4.0",
         capacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}], clientToken="set", scale={"value": 0, "unit": "PERCENT"})
    call("DescribeTaskSets", cluster="default", service="outside")


def lists(call, instance):
    """Each with all its filters, and with a page of one, so that tokens are answered."""
    for operation, filters in [
        ("ListClusters", {}),
        ("ListServices", {"cluster": "default", "resourceManagementType": "CUSTOMER"}),
        ("ListServiceDeployments", {"cluster": "default", "service": "web", "createdAt": {"after": 1, "before": 4000000000},
                                    "status": ["SUCCESSFUL", "ROLLBACK_SUCCESSFUL", "STOPPED", "IN_PROGRESS", "PENDING"]}),
        ("ListTasks", {"cluster": "default"}),
        ("ListTasks", {"cluster": "default", "containerInstance": instance}),
        ("ListTasks", {"family": "web", "launchType": "EC2"}),
        ("ListTaskDefinitions", {"status": "ACTIVE"}),
        ("ListTaskDefinitionFamilies", {"familyPrefix": ""}),
        ("ListContainerInstances", {"cluster": "default"}),
        ("ListAttributes", {"cluster": "default", "targetType": "container-instance", "attributeName": "ecs.os-type",
                            "attributeValue": "linux"}),
        ("ListAccountSettings", {"effectiveSettings": True}),
        ("DescribeCapacityProviders", {}),
    ]:
        first = call(operation, maxResults=1, **filters)
        if first.get("nextToken"):
            call(operation, maxResults=1, nextToken=first["nextToken"], **filters)
    root = "arn:aws:iam::000000000000:root"
    call("PutAccountSetting", name="containerInsights", value="disabled", principalArn=root)
    call("ListAccountSettings", name="containerInsights", value="disabled", principalArn=root)
    call("DeleteAccountSetting", name="containerInsights", principalArn=root)
    of_instance = {"targetType": "container-instance", "targetId": instance.rsplit("/", 1)[1]}
    call("PutAttributes", cluster="default", attributes=[dict(of_instance, name="full", value="x")])
    call("DeleteAttributes", cluster="default", attributes=[dict(of_instance, name="full")])
    call("DescribeContainerInstances", cluster="default", containerInstances=[instance])
    call("UpdateContainerInstancesState", cluster="default", containerInstances=[instance], status="ACTIVE")


def capacity_providers(call, group):
    scaling = {"status": "ENABLED", "targetCapacity": 80, "minimumScalingStepSize": 1, "maximumScalingStepSize": 10, "instanceWarmupPeriod": 60}
    more = {"managedScaling": scaling, "managedTerminationProtection": "DISABLED", "managedDraining": "ENABLED"}
    call("CreateCapacityProvider", name="full", autoScalingGroupProvider=dict(more, autoScalingGroupArn=group))
    call("UpdateCapacityProvider", name="full", autoScalingGroupProvider=more)
    call("DeleteCapacityProvider", capacityProvider="full")


def run(recorder, instance, group):
    call = recorder.attempt
    capacity_providers(call, group)
    task_definitions(call)
    tasks(call, instance)
    services(call)
    lists(call, instance)
