//! A valid request of every operation, to be spoilt. `$NAME` stands for an id that the cluster of the test gave.
#![allow(unreachable_pub)]

/// Operation, then its body.
pub const SEEDS: &str = r#"
CreateCluster {"clusterName":"other","tags":[{"key":"a","value":"b"}],"settings":[{"name":"containerInsights","value":"disabled"}],"capacityProviders":["FARGATE"],"defaultCapacityProviderStrategy":[{"capacityProvider":"FARGATE","weight":1,"base":1}]}
DeleteCluster {"cluster":"other"}
UpdateCluster {"cluster":"other","settings":[{"name":"containerInsights","value":"enabled"}]}
UpdateClusterSettings {"cluster":"other","settings":[{"name":"containerInsights","value":"disabled"}]}
DescribeClusters {"clusters":["default","$CLUSTER","nowhere"],"include":["TAGS","SETTINGS","STATISTICS","ATTACHMENTS"]}
ListClusters {"maxResults":1,"nextToken":null}
CreateCapacityProvider {"name":"spare","autoScalingGroupProvider":{"autoScalingGroupArn":"arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:y:autoScalingGroupName/spare","managedScaling":{"status":"ENABLED","targetCapacity":90,"minimumScalingStepSize":1,"maximumScalingStepSize":10,"instanceWarmupPeriod":30},"managedTerminationProtection":"DISABLED"},"tags":[{"key":"a","value":"b"}]}
UpdateCapacityProvider {"name":"mine","autoScalingGroupProvider":{"managedScaling":{"status":"ENABLED","targetCapacity":80}}}
DeleteCapacityProvider {"capacityProvider":"spare"}
DescribeCapacityProviders {"capacityProviders":["mine","FARGATE","nothing"],"include":["TAGS"]}
PutClusterCapacityProviders {"cluster":"other","capacityProviders":["FARGATE"],"defaultCapacityProviderStrategy":[{"capacityProvider":"FARGATE","weight":1,"base":1}]}
RegisterTaskDefinition {"family":"web","networkMode":"bridge","containerDefinitions":[{"name":"app","image":"app:1","memory":64,"memoryReservation":32,"cpu":10,"essential":true,"portMappings":[{"containerPort":80,"hostPort":0,"protocol":"tcp","name":"web"}],"environment":[{"name":"A","value":"b"}],"healthCheck":{"command":["CMD","true"],"interval":5,"timeout":2,"retries":2,"startPeriod":1},"ulimits":[{"name":"nofile","softLimit":10,"hardLimit":20}],"dockerLabels":{"a":"b"},"stopTimeout":5,"startTimeout":30,"linuxParameters":{"initProcessEnabled":true,"capabilities":{"add":["NET_ADMIN"]}},"command":["run"],"entryPoint":["sh"],"workingDirectory":"/","user":"root","readonlyRootFilesystem":false,"logConfiguration":{"logDriver":"json-file","options":{"max-size":"1m"}},"mountPoints":[{"sourceVolume":"v","containerPath":"/v","readOnly":true}],"secrets":[{"name":"S","valueFrom":"arn:aws:ssm:us-east-1:000000000000:parameter/s"}],"systemControls":[{"namespace":"net.core.somaxconn","value":"10"}],"resourceRequirements":[{"type":"GPU","value":"1"}]},{"name":"side","image":"side:1","memory":32,"essential":false,"dependsOn":[{"containerName":"app","condition":"START"}]}],"volumes":[{"name":"v","host":{}}],"placementConstraints":[{"type":"memberOf","expression":"attribute:ecs.os-type == linux"}],"tags":[{"key":"a","value":"b"}]}
RegisterTaskDefinition {"family":"job","requiresCompatibilities":["FARGATE"],"networkMode":"awsvpc","cpu":"256","memory":"512","executionRoleArn":"arn:aws:iam::000000000000:role/e","taskRoleArn":"arn:aws:iam::000000000000:role/t","runtimePlatform":{"cpuArchitecture":"X86_64","operatingSystemFamily":"LINUX"},"ephemeralStorage":{"sizeInGiB":30},"containerDefinitions":[{"name":"app","image":"i","restartPolicy":{"enabled":true,"restartAttemptPeriod":60},"portMappings":[{"containerPort":80,"appProtocol":"http"}]}]}
DeregisterTaskDefinition {"taskDefinition":"spoilt:1"}
DeleteTaskDefinitions {"taskDefinitions":["spoilt:1"]}
DescribeTaskDefinition {"taskDefinition":"web:1","include":["TAGS"]}
ListTaskDefinitions {"familyPrefix":"web","status":"ACTIVE","sort":"DESC","maxResults":10}
ListTaskDefinitionFamilies {"familyPrefix":"w","status":"ACTIVE","maxResults":10}
RunTask {"cluster":"default","taskDefinition":"web","count":1,"startedBy":"me","group":"g","tags":[{"key":"a","value":"b"}],"enableECSManagedTags":true,"propagateTags":"TASK_DEFINITION","clientToken":"t","capacityProviderStrategy":[{"capacityProvider":"mine","weight":1,"base":0}],"placementConstraints":[{"type":"distinctInstance"}],"placementStrategy":[{"type":"spread","field":"instanceId"}],"overrides":{"cpu":"64","memory":"64","containerOverrides":[{"name":"app","command":["x"],"cpu":1,"memory":64,"environment":[{"name":"E","value":"f"}]}]}}
RunTask {"taskDefinition":"job","launchType":"FARGATE","platformVersion":"1.4.0","networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1"],"securityGroups":["sg-1"],"assignPublicIp":"DISABLED"}}}
StartTask {"taskDefinition":"web","containerInstances":["$INSTANCE"],"startedBy":"me","overrides":{"containerOverrides":[{"name":"app","command":["x"]}]}}
StopTask {"cluster":"default","task":"$TASK","reason":"enough"}
DescribeTasks {"cluster":"default","tasks":["$TASK","nothing"],"include":["TAGS"]}
ListTasks {"cluster":"default","startedBy":"me","desiredStatus":"RUNNING","launchType":"EC2","maxResults":5}
UpdateTaskProtection {"cluster":"default","tasks":["$TASK"],"protectionEnabled":true,"expiresInMinutes":5}
GetTaskProtection {"cluster":"default","tasks":["$TASK"]}
CreateService {"serviceName":"more","taskDefinition":"web","desiredCount":0,"launchType":"EC2","tags":[{"key":"a","value":"b"}],"propagateTags":"SERVICE","enableECSManagedTags":true,"schedulingStrategy":"REPLICA","placementStrategy":[{"type":"spread","field":"attribute:ecs.availability-zone"}],"placementConstraints":[{"type":"memberOf","expression":"attribute:ecs.os-type == linux"}],"deploymentConfiguration":{"strategy":"ROLLING","maximumPercent":200,"minimumHealthyPercent":50,"deploymentCircuitBreaker":{"enable":true,"rollback":true},"alarms":{"alarmNames":["a"],"enable":false,"rollback":false}},"healthCheckGracePeriodSeconds":1,"availabilityZoneRebalancing":"DISABLED"}
CreateService {"serviceName":"blue","taskDefinition":"web","desiredCount":0,"deploymentConfiguration":{"strategy":"BLUE_GREEN","bakeTimeInMinutes":0,"lifecycleHooks":[{"targetType":"PAUSE","lifecycleStages":["POST_SCALE_UP"]}]}}
UpdateService {"service":"web","desiredCount":0,"taskDefinition":"web","healthCheckGracePeriodSeconds":1,"deploymentConfiguration":{"maximumPercent":200,"minimumHealthyPercent":100},"placementStrategy":[{"type":"binpack","field":"memory"}],"loadBalancers":[],"enableExecuteCommand":false}
DeleteService {"service":"more","force":true}
DescribeServices {"cluster":"default","services":["web","nowhere"],"include":["TAGS"]}
ListServices {"cluster":"default","launchType":"EC2","schedulingStrategy":"REPLICA","maxResults":10}
ListServiceDeployments {"service":"web","status":["SUCCESSFUL"],"createdAt":{"after":1700000000.5,"before":"2100-01-01T00:00:00Z"},"maxResults":5}
DescribeServiceDeployments {"serviceDeploymentArns":["$DEPLOYMENT"]}
DescribeServiceRevisions {"serviceRevisionArns":["$REVISION"]}
StopServiceDeployment {"serviceDeploymentArn":"$DEPLOYMENT","stopType":"ROLLBACK"}
ContinueServiceDeployment {"serviceDeploymentArn":"$DEPLOYMENT","hookId":"h","action":"CONTINUE"}
CreateTaskSet {"service":"outside","cluster":"default","taskDefinition":"web","launchType":"EC2","externalId":"e","scale":{"value":0,"unit":"PERCENT"},"tags":[{"key":"a","value":"b"}]}
UpdateTaskSet {"cluster":"default","service":"outside","taskSet":"$TASKSET","scale":{"value":0,"unit":"PERCENT"}}
UpdateServicePrimaryTaskSet {"cluster":"default","service":"outside","primaryTaskSet":"$TASKSET"}
DescribeTaskSets {"cluster":"default","service":"outside","taskSets":["$TASKSET"],"include":["TAGS"]}
DeleteTaskSet {"cluster":"default","service":"outside","taskSet":"nothing","force":true}
DescribeContainerInstances {"cluster":"default","containerInstances":["$INSTANCE","nothing"],"include":["TAGS","CONTAINER_INSTANCE_HEALTH"]}
ListContainerInstances {"cluster":"default","status":"ACTIVE","filter":"attribute:ecs.os-type == linux and not (attribute:x exists)","maxResults":5}
UpdateContainerInstancesState {"cluster":"default","containerInstances":["$INSTANCE"],"status":"ACTIVE"}
DeregisterContainerInstance {"cluster":"default","containerInstance":"nothing","force":true}
PutAttributes {"cluster":"default","attributes":[{"name":"stack","value":"blue","targetType":"container-instance","targetId":"$INSTANCE"}]}
ListAttributes {"cluster":"default","targetType":"container-instance","attributeName":"stack","attributeValue":"blue","maxResults":5}
DeleteAttributes {"cluster":"default","attributes":[{"name":"stack","targetType":"container-instance","targetId":"$INSTANCE"}]}
TagResource {"resourceArn":"$CLUSTER","tags":[{"key":"a","value":"b"},{"key":"c","value":""}]}
UntagResource {"resourceArn":"$CLUSTER","tagKeys":["a","c"]}
ListTagsForResource {"resourceArn":"$CLUSTER"}
PutAccountSetting {"name":"containerInsights","value":"disabled","principalArn":"arn:aws:iam::000000000000:root"}
PutAccountSettingDefault {"name":"containerInsights","value":"disabled"}
DeleteAccountSetting {"name":"containerInsights"}
RegisterContainerInstance {"cluster":"other","instanceIdentityDocument":"{\"instanceId\":\"i-1\",\"availabilityZone\":\"us-east-1a\"}","totalResources":[{"name":"CPU","type":"INTEGER","integerValue":2048},{"name":"PORTS","type":"STRINGSET","stringSetValue":["22"]}],"versionInfo":{"agentVersion":"1.97.1","dockerVersion":"DockerVersion: 25.0.8"},"attributes":[{"name":"ecs.os-type","value":"linux"}],"platformDevices":[{"id":"g","type":"GPU"}],"tags":[{"key":"a","value":"b"}]}
UpdateContainerAgent {"cluster":"default","containerInstance":"$INSTANCE"}
DiscoverPollEndpoint {"cluster":"default","containerInstance":"$INSTANCE"}
SubmitTaskStateChange {"cluster":"default","task":"$TASK","status":"RUNNING","reason":"r","containers":[{"containerName":"app","status":"RUNNING","exitCode":0,"networkBindings":[{"bindIP":"0.0.0.0","containerPort":80,"hostPort":8080,"protocol":"tcp"}]}],"attachments":[{"attachmentArn":"a","status":"ATTACHED"}],"pullStartedAt":1700000000.5}
SubmitContainerStateChange {"cluster":"default","task":"$TASK","containerName":"app","status":"STOPPED","exitCode":1,"reason":"r","runtimeId":"x"}
SubmitAttachmentStateChanges {"cluster":"default","attachments":[{"attachmentArn":"a","status":"ATTACHED"}]}
ExecuteCommand {"cluster":"default","task":"$TASK","container":"app","command":"sh","interactive":true}
ListServicesByNamespace {"namespace":"shop","maxResults":5}
ListAccountSettings {"name":"containerInsights","value":"disabled","effectiveSettings":true,"maxResults":5}
"#;
