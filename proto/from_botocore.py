#!/usr/bin/env python3
"""Adds ECS shapes to drydock/ecs/v1 from botocore's own model of the ECS API (apiVersion 2014-11-13).

Run it by hand after adding an operation to OPERATIONS, or to see what AWS added since: `python3 proto/from_botocore.py`
(it needs `pip install botocore`, nothing else does). A field or enum value that is already in a .proto keeps its
number, new ones get the next free one, and nothing is ever removed, so the result is safe to diff and to commit.
It writes the .proto files under proto/drydock/ecs/v1 and touches nothing else.
"""
import glob
import gzip
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "drydock", "ecs", "v1")
OPERATIONS = {
    "cluster": "CreateCluster DeleteCluster DescribeClusters ListClusters UpdateCluster UpdateClusterSettings "
    "PutClusterCapacityProviders",
    "capacity_provider": "CreateCapacityProvider DeleteCapacityProvider DescribeCapacityProviders "
    "UpdateCapacityProvider",
    "task_definition": "RegisterTaskDefinition DeregisterTaskDefinition DescribeTaskDefinition ListTaskDefinitions "
    "ListTaskDefinitionFamilies DeleteTaskDefinitions",
    "task": "RunTask StartTask StopTask DescribeTasks ListTasks GetTaskProtection UpdateTaskProtection ExecuteCommand",
    "service": "CreateService UpdateService DeleteService DescribeServices ListServices ListServicesByNamespace "
    "ListServiceDeployments DescribeServiceDeployments DescribeServiceRevisions StopServiceDeployment ContinueServiceDeployment",
    "task_set": "CreateTaskSet UpdateTaskSet DeleteTaskSet DescribeTaskSets UpdateServicePrimaryTaskSet",
    "container_instance": "RegisterContainerInstance DeregisterContainerInstance DescribeContainerInstances "
    "ListContainerInstances UpdateContainerInstancesState UpdateContainerAgent",
    "agent": "DiscoverPollEndpoint SubmitTaskStateChange SubmitContainerStateChange SubmitAttachmentStateChanges",
    "attribute": "PutAttributes DeleteAttributes ListAttributes",
    "tag": "TagResource UntagResource ListTagsForResource",
    "account_setting": "PutAccountSetting PutAccountSettingDefault DeleteAccountSetting ListAccountSettings",
}
# Values that ECS documents but botocore's model lacks (ecs-semantics §2.1).
EXTRA_VALUES = {
    "TaskStopCode": ["InfrastructureHealth"],
    "ContainerInstanceStatus": ["INACTIVE"],
    # A stage of the hooks' own enum and of the guide (ecs-semantics §2.3), missing in that of the answers.
    "ServiceDeploymentLifecycleStage": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
}
# Shapes and members that AWS documents (ecs-semantics §2.3) and that an older botocore lacks.
EXTRA_SHAPES = {
    "ThresholdType": {"type": "string", "enum": ["COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT"]},
    "ThresholdConfiguration": {
        "type": "structure", "members": {"type": {"shape": "ThresholdType"}, "value": {"shape": "Integer"}}},
    "ServiceRevisionCleanup": {"type": "string", "enum": ["BLOCKING", "DEFERRED"]},
    "DeploymentEarlySuccessCriteria": {
        "type": "structure",
        "members": {
            "enable": {"shape": "Boolean"},
            "healthyPercent": {"shape": "BoxedInteger"},
            "sourceServiceRevisionCleanup": {"shape": "ServiceRevisionCleanup"}}},
}
EXTRA_MEMBERS = {
    "DeploymentCircuitBreaker": {
        "resetOnHealthyTask": {"shape": "BoxedBoolean"},
        "thresholdConfiguration": {"shape": "ThresholdConfiguration"}},
    "DeploymentConfiguration": {"earlySuccessCriteria": {"shape": "DeploymentEarlySuccessCriteria"}},
}
# Lists whose absence means "leave as it is" and whose emptiness means "remove all": proto3 can't tell them apart in a
# repeated field, so they are wrapped in a message that JSON doesn't show.
PRESENCE = {
    "UpdateServiceRequest": "capacityProviderStrategy placementConstraints placementStrategy loadBalancers "
    "serviceRegistries volumeConfigurations vpcLatticeConfigurations",
    "DeploymentConfiguration": "lifecycleHooks",
}
# Lists that ECS writes even when they are empty.
EMIT_EMPTY = {
    "Service": "loadBalancers serviceRegistries deployments events placementConstraints placementStrategy",
    "Task": "attachments attributes containers tags",
    "TaskOverride": "containerOverrides inferenceAcceleratorOverrides",
    "TaskDefinition": "containerDefinitions volumes placementConstraints",
    "ContainerDefinition": "portMappings environment mountPoints volumesFrom systemControls",
    "Cluster": "tags settings capacityProviders defaultCapacityProviderStrategy statistics",
    "ContainerInstance": "registeredResources remainingResources attributes attachments tags",
    "Container": "networkInterfaces",
}
SCALARS = {
    "string": "string", "integer": "int32", "long": "int64", "boolean": "bool", "double": "double",
    "float": "float", "timestamp": "google.protobuf.Timestamp",
}


def load_model():
    import botocore
    path = os.path.join(os.path.dirname(botocore.__file__), "data", "ecs", "2014-11-13", "service-2.json.gz")
    model = json.load(gzip.open(glob.glob(path)[0]))
    for name, shape in EXTRA_SHAPES.items():
        model["shapes"].setdefault(name, shape)
    for name, members in EXTRA_MEMBERS.items():
        for member, spec in members.items():
            model["shapes"][name]["members"].setdefault(member, spec)
    return model


def snake(name):
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def default_json_name(field):
    head, *rest = field.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def value_name(enum, value):
    stem = re.sub(r"[^A-Za-z0-9]+", "_", value)
    stem = snake(stem).upper() if not stem.isupper() and not re.fullmatch(r"[A-Z0-9_]+", stem) else stem
    return snake(enum).upper() + "_" + stem


class Writer:
    def __init__(self, model):
        self.shapes = model["shapes"]
        self.operations = model["operations"]
        self.numbers = self.read_numbers()
        self.homes = self.find_homes()

    def read_numbers(self):
        """(message or enum, field or value) -> number, from the files as they stand."""
        numbers, current = {}, None
        for path in glob.glob(os.path.join(OUT, "*.proto")):
            for line in open(path):
                if found := re.match(r"(?:message|enum) (\w+) \{", line):
                    current = found.group(1)
                elif found := re.match(r"  .*?(\w+) = (\d+)[ ;]", line):
                    numbers[(current, found.group(1))] = int(found.group(2))
        return numbers

    def find_homes(self):
        """Shape -> file: the one noun that reaches it, or `shared`."""
        reached = {}
        for noun, names in OPERATIONS.items():
            for name in names.split():
                for end in ("input", "output"):
                    self.reach(self.operations[name][end]["shape"], noun, reached)
        return {shape: nouns.pop() if len(nouns) == 1 else "shared" for shape, nouns in reached.items()}

    def reach(self, name, noun, reached):
        nouns = reached.setdefault(name, set())
        if noun in nouns:
            return
        nouns.add(noun)
        shape = self.shapes[name]
        for inner in list(shape.get("members", {}).values()) + [shape[k] for k in ("member", "key", "value") if k in shape]:
            self.reach(inner["shape"], noun, reached)

    def number(self, owner, names):
        taken = {n: self.numbers[(owner, n)] for n in names if (owner, n) in self.numbers}
        following = max(taken.values(), default=0) + 1
        for name in names:
            if name not in taken:
                taken[name] = following
                following += 1
        return taken

    def type_of(self, name):
        shape = self.shapes[name]
        if "enum" in shape or shape["type"] == "structure":
            return name
        return SCALARS[shape["type"]]

    def field_type(self, owner, member, target):
        shape = self.shapes[target]
        if shape["type"] == "list":
            inner = self.type_of(shape["member"]["shape"])
            if member in PRESENCE.get(owner, "").split():
                return "optional", inner + "List"
            return "repeated", inner
        if shape["type"] == "map":
            return "", "map<string, %s>" % self.type_of(shape["value"]["shape"])
        kind = self.type_of(target)
        plain = shape["type"] == "structure" or shape["type"] == "timestamp"
        return ("" if plain else "optional"), kind

    def message(self, name):
        members = self.shapes[name].get("members", {})
        numbers = self.number(name, [snake(m) for m in members])
        lines = ["message %s {" % name]
        wrappers = []
        for member, spec in members.items():
            label, kind = self.field_type(name, member, spec["shape"])
            options = []
            if default_json_name(snake(member)) != member:
                options.append('json_name = "%s"' % member)
            answers = name.endswith("Response") and label == "repeated" and member != "failures" or member == "failures"
            if answers or member in EMIT_EMPTY.get(name, "").split():
                options.append("(drydock.wire.emit_empty) = true")
            if label == "optional" and kind.endswith("List") and member in PRESENCE.get(name, "").split():
                wrappers.append(kind)
            tail = " [%s]" % ", ".join(options) if options else ""
            lines.append("  %s%s %s = %d%s;" % (label + " " if label else "", kind, snake(member), numbers[snake(member)], tail))
        lines.append("}")
        for wrapper in wrappers:
            lines += ["", "message %s {" % wrapper, "  option (drydock.wire.list) = true;",
                      "  repeated %s items = 1;" % wrapper[:-4], "}"]
        return "\n".join(lines)

    def enumeration(self, name):
        values = self.shapes[name]["enum"] + EXTRA_VALUES.get(name, [])
        names = [value_name(name, v) for v in values]
        numbers = self.number(name, names)
        lines = ["enum %s {" % name, "  %s_UNSPECIFIED = 0;" % snake(name).upper()]
        for value, label in zip(values, names):
            plain = label[len(snake(name)) + 1:] == value
            tail = "" if plain else ' [(drydock.wire.spelling) = "%s"]' % value
            lines.append("  %s = %d%s;" % (label, numbers[label], tail))
        return "\n".join(lines + ["}"])

    def file(self, noun):
        blocks = []
        for name in sorted(n for n, home in self.homes.items() if home == noun):
            if "enum" in self.shapes[name]:
                blocks.append(self.enumeration(name))
            elif self.shapes[name]["type"] == "structure":
                blocks.append(self.message(name))
        body = "\n\n".join(blocks)
        imports = ["drydock/ecs/v1/shared.proto"] if noun != "shared" else []
        if "drydock.wire" in body:
            imports.append("drydock/wire/options.proto")
        if "google.protobuf" in body:
            imports.append("google/protobuf/timestamp.proto")
        head = ["// ECS shapes of the noun `%s` (API version 2014-11-13): names, presence and enum spellings as in ECS." % noun,
                "// Kept in step with AWS by proto/from_botocore.py; see there how numbers stay stable.",
                'syntax = "proto3";', "", "package drydock.ecs.v1;", ""]
        head += ['import "%s";' % i for i in imports]
        return "\n".join(head) + "\n\n" + body + "\n"


def main():
    writer = Writer(load_model())
    os.makedirs(OUT, exist_ok=True)
    for noun in list(OPERATIONS) + ["shared"]:
        with open(os.path.join(OUT, noun + ".proto"), "w") as out:
            out.write(writer.file(noun))
    return 0


if __name__ == "__main__":
    sys.exit(main())
