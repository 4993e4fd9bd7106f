"""What the scripts of this folder share: a client of boto3 whose requests and answers are held, member by member, against
botocore's own model of ECS. Touches nothing but the endpoint.
"""
import json
import os
import re
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# The operations beyond the classic surface (ecs-semantics section 1): refused by name.
BEYOND = re.compile("Daemon|ExpressGateway|Gateway")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def method(operation):
    return re.sub("(?<!^)([A-Z])", r"_\1", operation).lower()


class Recorder:
    """Calls operations, and remembers which members were sent, which were answered, and what is wrong with an answer."""

    def __init__(self, endpoint, region="us-east-1"):
        self.endpoint = endpoint
        self.ecs = self.elsewhere(region)
        self.model = self.ecs.meta.service_model
        self.operations = [name for name in self.model.operation_names if not BEYOND.search(name)]
        self.wrong = []
        self.called = {}
        self.provoked = {}
        self.answered = {}
        self.sent = {}
        self.body = b"{}"
        self.ecs.meta.events.register("before-parse.ecs", self._before_parse)

    def elsewhere(self, region):
        """A client of another region, whose calls aren't looked at."""
        return boto3.client(
            "ecs",
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"max_attempts": 8, "mode": "standard"}),
        )

    def _before_parse(self, response_dict, **_):
        self.body = response_dict["body"]

    def look(self, shape, value, path, seen):
        """Walks a value beside its shape: notes members that are there, and what the model lacks."""
        if value is None:
            return
        if shape.type_name == "structure":
            if not isinstance(value, dict):
                self.wrong.append(f"{path}: {value!r} is no structure")
                return
            for name, inner in value.items():
                if name not in shape.members:
                    self.wrong.append(f"{path}.{name}: not in {shape.name}")
                    continue
                seen.setdefault(shape.name, set()).add(name)
                self.look(shape.members[name], inner, f"{path}.{name}", seen)
        elif shape.type_name == "list":
            if not isinstance(value, list):
                self.wrong.append(f"{path}: {value!r} is no list")
                return
            for at, inner in enumerate(value):
                self.look(shape.member, inner, f"{path}[{at}]", seen)
        elif shape.type_name == "map":
            for name, inner in value.items():
                self.look(shape.value, inner, f"{path}.{name}", seen)
        elif shape.type_name == "string":
            if not isinstance(value, str):
                self.wrong.append(f"{path}: {value!r} is no string")
            elif getattr(shape, "enum", None) and value not in shape.enum:
                self.wrong.append(f"{path}: {value!r} is not in {shape.name}: {shape.enum}")
        elif shape.type_name == "timestamp":
            if not isinstance(value, (int, float)):
                self.wrong.append(f"{path}: {value!r} is no time in seconds")
        elif shape.type_name == "boolean":
            if not isinstance(value, bool):
                self.wrong.append(f"{path}: {value!r} is no boolean")
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            self.wrong.append(f"{path}: {value!r} is no number")

    def call(self, operation, **arguments):
        """One call that must be answered; its parsed answer."""
        answer = getattr(self.ecs, method(operation))(**arguments)
        self._sent(operation, arguments)
        output = self.model.operation_model(operation).output_shape
        self.look(output, json.loads(self.body), operation, self.answered)
        self.called[operation] = self.called.get(operation, 0) + 1
        if not answer["ResponseMetadata"].get("RequestId"):
            self.wrong.append(f"{operation}: no request id")
        return answer

    def attempt(self, operation, **arguments):
        """As `call`, for one that others don't depend on: where it is refused that is noted, and the rest goes on."""
        try:
            return self.call(operation, **arguments)
        except ClientError as error:
            self.wrong.append(f"{operation}: refused with {error.response['Error']}")
            return {}

    def _sent(self, operation, arguments):
        shape = self.model.operation_model(operation).input_shape

        def note(shape, value):
            if shape.type_name == "structure":
                for name, inner in value.items():
                    self.sent.setdefault(shape.name, set()).add(name)
                    note(shape.members[name], inner)
            elif shape.type_name == "list":
                for inner in value:
                    note(shape.member, inner)

        note(shape, arguments)

    def refused(self, operation, exception, part="", **arguments):
        """One call that must be refused with that exception, as boto3 knows it; the error's parsed answer."""
        try:
            getattr(self.ecs, method(operation))(**arguments)
        except ClientError as error:
            self._sent(operation, arguments)
            code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            if code != exception or part not in text:
                self.wrong.append(f"{operation}: {code} {text!r} instead of {exception} {part!r}")
            documented = [shape.name for shape in self.model.operation_model(operation).error_shapes]
            if exception not in documented and exception not in ("ThrottlingException", "UnsupportedFeatureException"):
                self.wrong.append(f"{operation}: {exception} isn't documented for it")
            self.provoked.setdefault(exception, set()).add(operation)
            self.called[operation] = self.called.get(operation, 0) + 1
            return error.response
        self.wrong.append(f"{operation}: answered instead of {exception}")
        return {}

    def until(self, what, condition, patience=60):
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                self.wrong.append(f"not within {patience} s: {what}")
                return
            time.sleep(0.1)
