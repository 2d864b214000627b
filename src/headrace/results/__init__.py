"""Where the values of tasks are stored, and how they become bytes.

Each name is imported when it is first used, so that nothing is paid for what a flow does not use;
what a cloud needs is imported when a result of that cloud is first written or read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.core.result import NoResult, NoResultType, Result
    from headrace.results.azure import AzureResult
    from headrace.results.constant import ConstantResult
    from headrace.results.gcs import GCSResult
    from headrace.results.local import LocalResult
    from headrace.results.object_store import ObjectStoreResult
    from headrace.results.prefect import PrefectResult
    from headrace.results.s3 import S3Result
    from headrace.results.secret import SecretResult
    from headrace.results.serializers import (
        CompressedSerializer,
        DateTimeSerializer,
        JSONSerializer,
        PandasSerializer,
        PickleSerializer,
        Serializer,
    )
    from headrace.results.stored import StoredResult

__all__ = [
    "Result",
    "NoResult",
    "NoResultType",
    "LocalResult",
    "S3Result",
    "GCSResult",
    "AzureResult",
    "PrefectResult",
    "ConstantResult",
    "SecretResult",
    "StoredResult",
    "ObjectStoreResult",
    "Serializer",
    "PickleSerializer",
    "JSONSerializer",
    "DateTimeSerializer",
    "PandasSerializer",
    "CompressedSerializer",
]

_HOMES = {
    "Result": "headrace.core.result",
    "NoResult": "headrace.core.result",
    "NoResultType": "headrace.core.result",
    "LocalResult": "headrace.results.local",
    "S3Result": "headrace.results.s3",
    "GCSResult": "headrace.results.gcs",
    "AzureResult": "headrace.results.azure",
    "PrefectResult": "headrace.results.prefect",
    "ConstantResult": "headrace.results.constant",
    "SecretResult": "headrace.results.secret",
    "StoredResult": "headrace.results.stored",
    "ObjectStoreResult": "headrace.results.object_store",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES.get(name, "headrace.results.serializers")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
