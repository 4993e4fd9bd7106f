"""Prints, for each of the 61 operations, how many members are obeyed, refused and missing: those of requests by the verdicts of
docs/compatibility.md and by what was sent, those of answers by what was answered and by docs/answers.md, which says of the others
why they are never there.
"""
import os
import re

import exceptions
from recorder import ROOT


# Answered, but not by the cluster that this script is run against: another test sees them.
ELSEWHERE = {
    ("Container", "gpuIds"),  # its agents have no GPUs
    ("ContainerOverride", "resourceRequirements"),  # as gpuIds
    ("ContainerInstance", "capacityProviderName"),  # its agents are of no capacity provider
}


def rows_of(page):
    """Section -> member -> the cells after it, of a page's tables."""
    sections, section = {}, None
    with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("### "):
                section = line[4:].strip()
            elif section and (row := re.match(r"\| `([^`]+)` \| (.*) \|$", line.strip())):
                sections.setdefault(section, {})[row.group(1)] = [cell.strip() for cell in row.group(2).split("|")]
    return sections


def shapes_below(shape, found=None):
    """Every structure that a shape holds, by name."""
    found = {} if found is None else found
    if shape.type_name == "structure" and shape.name not in found:
        found[shape.name] = shape
        for inner in shape.members.values():
            shapes_below(inner, found)
    elif shape.type_name == "list":
        shapes_below(shape.member, found)
    elif shape.type_name == "map":
        shapes_below(shape.value, found)
    return found


class Table:
    def __init__(self, recorder):
        self.recorder = recorder
        self.verdicts = rows_of("compatibility.md")
        self.absent = rows_of("answers.md")
        self.missing = []

    def request(self, operation):
        """Members of the request and of what it holds, by verdict."""
        counts = {"obeyed": 0, "kept": 0, "partly": 0, "refused": 0}
        shape = self.recorder.model.operation_model(operation).input_shape
        open_shapes, done = [(operation, shape)], set()
        while open_shapes:
            section, shape = open_shapes.pop()
            if section in done:
                continue
            done.add(section)
            for name, inner in shape.members.items():
                verdict = self.verdicts.get(section, {}).get(name, [None])[0]
                if verdict not in counts:
                    self.missing.append(f"{section}.{name} has no verdict")
                    continue
                counts[verdict] += 1
                if verdict == "refused":
                    continue
                if name not in self.recorder.sent.get(shape.name, ()) and name != "nextToken":
                    self.missing.append(f"{section}.{name} was never sent")
                while inner.type_name == "list":
                    inner = inner.member
                if inner.type_name == "structure":
                    open_shapes.append((inner.name, inner))
        return counts

    def answer(self, operation):
        """Members of the answer and of what it holds: answered, and absent with a reason."""
        answered = absent = 0
        pending, done = [self.recorder.model.operation_model(operation).output_shape], set()
        while pending:
            shape = pending.pop()
            if shape.name in done:
                continue
            done.add(shape.name)
            reasons = self.absent.get(shape.name, {})
            for name, inner in shape.members.items():
                if name in reasons or "*" in reasons or (shape.name, name) in ELSEWHERE:
                    absent += 1
                    continue
                answered += 1
                if name not in self.recorder.answered.get(shape.name, ()):
                    self.missing.append(f"{shape.name}.{name} was never answered (by {operation})")
                while inner.type_name in ("list", "map"):
                    inner = inner.member if inner.type_name == "list" else inner.value
                if inner.type_name == "structure":
                    pending.append(inner)
        for shape, reasons in self.absent.items():
            for name in set(reasons) & self.recorder.answered.get(shape, set()):
                self.missing.append(f"{shape}.{name} is answered, and docs/answers.md says that it never is")
        return answered, absent


def show(recorder):
    """Prints the table; whether anything is missing."""
    table = Table(recorder)
    print(f"{'operation':34}{'obeyed':>8}{'kept':>6}{'partly':>8}{'refused':>9}{'answered':>10}{'absent':>8}{'missing':>9}")
    for operation in recorder.operations:
        before = len(table.missing)
        sent, (answered, absent) = table.request(operation), table.answer(operation)
        missing = len(table.missing) - before + (operation not in recorder.called)
        print(f"{operation:34}{sent['obeyed']:>8}{sent['kept']:>6}{sent['partly']:>8}{sent['refused']:>9}"
              f"{answered:>10}{absent:>8}{missing:>9}")
    never = exceptions.unprovoked(recorder)
    print(f"{len(recorder.provoked)} exceptions were provoked; never answered here: {', '.join(sorted(exceptions.NEVER))}")
    lines = sorted(set(table.missing)) + [f"{name} was never provoked" for name in never]
    for line in lines:
        print(f"MISSING {line}")
    return bool(lines)
