"""Checks resources of Terraform, as hcl2json prints them, with the schema of the provider Mongey/kafka.

The provider is in no package registry. Pulumi's package of it is, and its classes are generated from the provider's schema: the arguments of each resource,
their types, and which must be there. Pulumi puts the resource's name before two arguments that its own classes already have.

example: scripts/tools/go hcl2json topics.tf | .work/venv-deploy/bin/python scripts/deploy/terraform.py pulumi_kafka.whl
"""

import ast
import json
import sys
import zipfile

RENAMED = {"acl_resource_name": "resource_name", "acl_resource_type": "resource_type"}
# What Terraform itself knows in every resource.
META = {"for_each", "lifecycle"}
# The first word that is in an annotation.
TYPES = {"Mapping": dict, "int": int, "str": str}


def arguments(wheel, module, name):
    """Returns the arguments of a resource: for each its type, and whether it must be there."""
    tree = ast.parse(wheel.read(f"pulumi_kafka/{module}.py"))
    [made] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    [init] = [node for node in made.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    found = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults):
        written = ast.unparse(argument.annotation)
        kind = next(kind for word, kind in TYPES.items() if word in written)
        found[RENAMED.get(argument.arg, argument.arg)] = (kind, default is None)
    return found


def faults(kind, resource, known):
    for key, value in resource.items():
        if key in META:
            continue
        if key not in known:
            yield f"{key}: no such argument"
        elif type(value) is not known[key][0]:
            yield f"{key}: {value!r} is no {known[key][0].__name__}"
        elif isinstance(value, dict) and not all(isinstance(text, str) for text in value.values()):
            yield f"{key}: not all values are texts"
    # Only Pulumi can choose a name.
    for key in [key for key, (_, required) in known.items() if required] + (["name"] if kind == "kafka_topic" else []):
        if key not in resource:
            yield f"{key}: is missing"


def main():
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        schema = {"kafka_topic": arguments(wheel, "topic", "TopicArgs"), "kafka_acl": arguments(wheel, "acl", "AclArgs")}
    document = json.load(sys.stdin)
    complaints = [f"{key}: unexpected" for key in document.keys() - {"resource", "terraform"}]
    for kind, resources in document["resource"].items():
        for name, blocks in resources.items():
            if kind not in schema:
                complaints.append(f"{kind}.{name}: no such resource")
                continue
            if len(blocks) != 1:
                complaints.append(f"{kind}.{name}: there {len(blocks)} times")
            complaints += [f"{kind}.{name}.{fault}" for block in blocks for fault in faults(kind, block, schema[kind])]
    if complaints:
        sys.exit("\n".join(complaints))
    print({kind: len(resources) for kind, resources in sorted(document["resource"].items())})


main()
