"""Where the values of tasks are stored, and how they become bytes.

Each name is imported when it is first used, so that nothing is paid for what a flow does not use;
what a cloud needs is imported when a result of that cloud is first written or read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.lazy import lazy_names

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
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "headrace.core.result": ["NoResult", "NoResultType", "Result"],
            "headrace.results.azure": ["AzureResult"],
            "headrace.results.constant": ["ConstantResult"],
            "headrace.results.gcs": ["GCSResult"],
            "headrace.results.local": ["LocalResult"],
            "headrace.results.object_store": ["ObjectStoreResult"],
            "headrace.results.prefect": ["PrefectResult"],
            "headrace.results.s3": ["S3Result"],
            "headrace.results.secret": ["SecretResult"],
            "headrace.results.serializers": [
                "CompressedSerializer",
                "DateTimeSerializer",
                "JSONSerializer",
                "PandasSerializer",
                "PickleSerializer",
                "Serializer",
            ],
            "headrace.results.stored": ["StoredResult"],
        },
    )

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
