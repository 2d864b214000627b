"""What AWS publishes of its messages: botocore's own models, that tests hold requests and answers to."""

from __future__ import annotations

import functools
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator


@functools.cache
def service(name: str) -> ServiceModel:
    """Return the model of a service, such as `ecs`."""
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def objections_to_request(name: str, operation: str, request: Any) -> str:
    """Say what is wrong with a request; nothing if it is as published."""
    return _objections(service(name).operation_model(operation).input_shape, request)


def objections_to_answer(name: str, operation: str, answer: Any) -> str:
    """Say what is wrong with an answer; nothing if it is as published."""
    return _objections(service(name).operation_model(operation).output_shape, answer)


def _objections(shape: Shape | None, value: Any) -> str:
    if shape is None:
        return "" if not value else f"{value!r} where nothing belongs"
    # Unknown fields, missing ones and wrong types are botocore's to find; enums are not.
    found = [ParamValidator().validate(value, shape).generate_report()]
    if not found[0]:
        found += _not_in_enum(shape, value, shape.name)
    return "\n".join(filter(None, found))


def _not_in_enum(shape: Any, value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if shape.type_name == "structure":
        return [
            objection
            for name, each in value.items()
            for objection in _not_in_enum(shape.members[name], each, f"{where}.{name}")
        ]
    if shape.type_name == "list":
        return [
            objection for each in value for objection in _not_in_enum(shape.member, each, where)
        ]
    enum = getattr(shape, "enum", None)
    return [f"{where} is {value!r}, which is none of {enum}"] if enum and value not in enum else []
