"""Calls every operation with nothing but what botocore's model requires of it: each is answered, or refused with an exception that
is documented for it.
"""
from botocore.exceptions import ClientError

from recorder import method


def value(shape, name, known):
    """Something of the right type; where the name says what it is, that."""
    if name in known:
        return known[name]
    if shape.type_name == "structure":
        return {inner: value(shape.members[inner], inner, known) for inner in shape.required_members}
    if shape.type_name == "list":
        inner = known.get(name.rstrip("s"))
        return [inner if inner is not None else value(shape.member, name, known)]
    if shape.type_name == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "nothing"
    return {"boolean": True, "integer": 1, "long": 1, "double": 1.0, "timestamp": 1}.get(shape.type_name, "nothing")


def run(recorder, service, task, instance):
    """After all else: it makes little and removes nothing that is used."""
    known = {"cluster": "default", "service": service, "taskDefinition": "web:2", "task": task, "containerInstance": instance,
             "family": "minimal", "containerDefinitions": [{"name": "app", "image": "i", "memory": 8}], "interactive": True,
             "capacityProvider": "nothing", "taskSet": "nothing", "primaryTaskSet": "nothing", "desiredCount": 0,
             "resourceArn": "arn:aws:ecs:us-east-1:000000000000:cluster/second", "serviceName": "minimal"}
    for operation in recorder.operations:
        shape = recorder.model.operation_model(operation).input_shape
        arguments = {name: value(shape.members[name], name, known) for name in shape.required_members}
        if operation in ("DeleteService", "DeregisterContainerInstance", "DeregisterTaskDefinition", "DeleteTaskDefinitions", "StopTask"):
            # What is used later is left alone.
            arguments = {name: ["nothing"] if isinstance(given, list) else "nothing" for name, given in arguments.items()}
        if operation == "UpdateContainerInstancesState":
            arguments["status"] = "ACTIVE"
        try:
            recorder.call(operation, **arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            documented = [shape.name for shape in recorder.model.operation_model(operation).error_shapes]
            recorder.called[operation] = recorder.called.get(operation, 0) + 1
            if code not in documented:
                recorder.wrong.append(f"{operation} with minimal input ({method(operation)} {arguments}): {code}, which isn't documented")
