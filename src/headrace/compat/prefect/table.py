"""The one table of paths: what each dotted path of Prefect 1.4 is in Headrace.

Nothing here is imported before somebody asks for it.
"""

from __future__ import annotations

from typing import Final

_STATES = (
    "Cached Cancelled ClientFailed Failed Finished Looped Mapped Paused Pending Queued Resume Retrying "
    "Running Scheduled Skipped State Submitted Success TimedOut TriggerFailed ValidationFailed"
)
_SIGNALS = "FAIL LOOP PAUSE RETRY SKIP SUCCESS TRIGGERFAIL VALIDATIONFAIL signal_from_state"
_EXECUTORS = "Executor LocalExecutor LocalDaskExecutor DaskExecutor"
_SCHEDULES = "Schedule CronSchedule IntervalSchedule RRuleSchedule"
_OWN = "headrace.compat.prefect"
_KEY_VALUES = "delete_key get_key_value list_keys set_key_value"

#: Of each module: where its names come from, and which these are. `X as Y` is X, known as Y.
_SOURCES: Final[dict[str, dict[str, str]]] = {
    "prefect": {
        "headrace": (
            "Flow Parameter Task apply_map case config context flatten mapped resource_manager tags "
            "task unmapped"
        ),
        f"{_OWN}.client": "Client",
    },
    "prefect.agent": {},
    "prefect.agent.docker": {f"{_OWN}.docker_agent": "DockerAgent"},
    "prefect.agent.docker.agent": {f"{_OWN}.docker_agent": "DockerAgent"},
    "prefect.agent.ecs": {f"{_OWN}.ecs_agent": "ECSAgent"},
    "prefect.agent.ecs.agent": {f"{_OWN}.ecs_agent": "ECSAgent"},
    "prefect.agent.kubernetes": {f"{_OWN}.kubernetes_agent": "KubernetesAgent"},
    "prefect.agent.kubernetes.agent": {f"{_OWN}.kubernetes_agent": "KubernetesAgent"},
    "prefect.agent.local": {f"{_OWN}.agent": "LocalAgent"},
    "prefect.agent.local.agent": {f"{_OWN}.agent": "LocalAgent"},
    "prefect.agent.vertex": {f"{_OWN}.vertex_agent": "VertexAgent"},
    "prefect.agent.vertex.agent": {f"{_OWN}.vertex_agent": "VertexAgent"},
    "prefect.backend": {
        "headrace.tasks.flow_runs.views": "FlowView FlowRunView TaskRunView",
        "headrace.tasks.flow_runs.watching": "watch_flow_run",
        f"{_OWN}.kv_store": _KEY_VALUES,
    },
    "prefect.backend.kv_store": {f"{_OWN}.kv_store": _KEY_VALUES},
    "prefect.backend.flow": {"headrace.tasks.flow_runs.views": "FlowView"},
    "prefect.backend.flow_run": {
        "headrace.tasks.flow_runs.views": "FlowRunView FlowView TaskRunView",
        "headrace.tasks.flow_runs.watching": "FlowRunLog watch_flow_run",
    },
    "prefect.backend.task_run": {"headrace.tasks.flow_runs.views": "TaskRunView"},
    "prefect.client": {f"{_OWN}.client": "Client", "headrace.secrets": "Secret"},
    "prefect.client.client": {
        f"{_OWN}.client": "Client FlowRunInfoResult ProjectInfo TaskRunInfoResult",
    },
    "prefect.client.secrets": {"headrace.secrets": "Secret"},
    "prefect.configuration": {"headrace.config": "Config config load_configuration"},
    "prefect.core": {"headrace": "Edge Flow Parameter Task"},
    "prefect.core.edge": {"headrace": "Edge Task"},
    "prefect.core.flow": {"headrace": "Flow"},
    "prefect.core.parameter": {"headrace": "Parameter DateTimeParameter"},
    "prefect.core.task": {"headrace": "Task"},
    "prefect.engine": {
        "headrace.engine.flow_runner": "FlowRunner",
        "headrace.engine.task_runner": "TaskRunner",
    },
    "prefect.engine.cache_validators": {
        "headrace.cache_validators": (
            "all_inputs all_parameters duration_only never_use partial_inputs_only "
            "partial_parameters_only"
        ),
    },
    "prefect.engine.executors": {"headrace.executors": _EXECUTORS},
    "prefect.engine.executors.dask": {"headrace.executors": "DaskExecutor LocalDaskExecutor"},
    "prefect.engine.executors.local": {"headrace.executors": "LocalExecutor"},
    "prefect.engine.flow_runner": {"headrace.engine.flow_runner": "FlowRunner"},
    "prefect.engine.result": {"headrace.results": "NoResult NoResultType Result"},
    "prefect.engine.result.base": {
        "headrace.results": "NoResult NoResultType Result",
        "headrace.errors": "ResultNotImplementedError",
    },
    "prefect.engine.results": {
        "headrace.results": (
            "AzureResult ConstantResult GCSResult LocalResult PrefectResult S3Result SecretResult"
        ),
    },
    "prefect.engine.results.azure_result": {"headrace.results": "AzureResult"},
    "prefect.engine.results.constant_result": {"headrace.results": "ConstantResult"},
    "prefect.engine.results.gcs_result": {"headrace.results": "GCSResult"},
    "prefect.engine.results.local_result": {"headrace.results": "LocalResult"},
    "prefect.engine.results.prefect_result": {"headrace.results": "PrefectResult"},
    "prefect.engine.results.s3_result": {"headrace.results": "S3Result"},
    "prefect.engine.results.secret_result": {"headrace.results": "SecretResult"},
    "prefect.engine.runner": {"headrace.core.signals": "EndRun as ENDRUN"},
    "prefect.engine.serializers": {
        "headrace.results": (
            "CompressedSerializer DateTimeSerializer JSONSerializer PandasSerializer "
            "PickleSerializer Serializer"
        ),
    },
    "prefect.engine.signals": {
        "headrace.signals": f"{_SIGNALS} StateSignal as PrefectStateSignal",
    },
    "prefect.engine.state": {"headrace.states": _STATES},
    "prefect.engine.task_runner": {"headrace.engine.task_runner": "TaskRunner"},
    "prefect.exceptions": {
        "headrace.signals": "Signal as PrefectSignal TaskTimeoutSignal",
        "headrace.errors": (
            "HeadraceError as PrefectException ClientError NotAuthorized as AuthorizationError "
            "NotFound as ObjectNotFoundError StorageError as FlowStorageError"
        ),
    },
    "prefect.executors": {"headrace.executors": _EXECUTORS},
    "prefect.executors.base": {"headrace.executors": "Executor"},
    "prefect.executors.dask": {"headrace.executors": "DaskExecutor LocalDaskExecutor"},
    "prefect.executors.local": {"headrace.executors": "LocalExecutor"},
    "prefect.run_configs": {
        "headrace.run_configs": (
            "DockerRun ECSRun KubernetesRun LocalRun RunConfig UniversalRun VertexRun"
        ),
    },
    "prefect.run_configs.base": {"headrace.run_configs": "RunConfig UniversalRun"},
    "prefect.run_configs.docker": {"headrace.run_configs": "DockerRun"},
    "prefect.run_configs.ecs": {"headrace.run_configs": "ECSRun"},
    "prefect.run_configs.kubernetes": {"headrace.run_configs": "KubernetesRun"},
    "prefect.run_configs.local": {"headrace.run_configs": "LocalRun"},
    "prefect.run_configs.vertex": {"headrace.run_configs": "VertexRun"},
    "prefect.schedules": {"headrace.schedules": _SCHEDULES},
    "prefect.schedules.adjustments": {"headrace.schedules.adjustments": "add next_weekday"},
    "prefect.schedules.clocks": {
        "headrace.schedules.clocks": (
            "Clock ClockEvent CronClock DatesClock IntervalClock RRuleClock"
        ),
    },
    "prefect.schedules.filters": {
        "headrace.schedules.filters": (
            "at_time between_dates between_datetimes between_times is_day_of_week is_month_end "
            "is_month_start is_weekday is_weekend on_date on_datetime"
        ),
    },
    "prefect.schedules.schedules": {"headrace.schedules": _SCHEDULES},
    "prefect.storage": {
        "headrace.storage": (
            "Azure Bitbucket CodeCommit Docker GCS Git GitHub GitLab Local Module S3 Storage Webhook "
            "get_default_storage_class"
        ),
    },
    "prefect.storage.azure": {"headrace.storage": "Azure"},
    "prefect.storage.base": {"headrace.storage": "Storage"},
    "prefect.storage.bitbucket": {"headrace.storage": "Bitbucket"},
    "prefect.storage.codecommit": {"headrace.storage": "CodeCommit"},
    "prefect.storage.docker": {"headrace.storage": "Docker"},
    "prefect.storage.gcs": {"headrace.storage": "GCS"},
    "prefect.storage.git": {"headrace.storage": "Git"},
    "prefect.storage.github": {"headrace.storage": "GitHub"},
    "prefect.storage.gitlab": {"headrace.storage": "GitLab"},
    "prefect.storage.local": {"headrace.storage": "Local"},
    "prefect.storage.module": {"headrace.storage": "Module"},
    "prefect.storage.s3": {"headrace.storage": "S3"},
    "prefect.storage.webhook": {"headrace.storage": "Webhook"},
    "prefect.tasks": {"headrace": "Task"},
    "prefect.tasks.control_flow": {"headrace.tasks": "FilterTask case ifelse merge switch"},
    "prefect.tasks.control_flow.case": {"headrace.tasks": "case"},
    "prefect.tasks.control_flow.conditional": {
        "headrace.tasks": "CompareValue Merge ifelse merge switch",
    },
    "prefect.tasks.control_flow.filter": {"headrace.tasks": "FilterTask"},
    "prefect.tasks.core": {},
    "prefect.tasks.core.collections": {"headrace.tasks": "Dict List Set Tuple"},
    "prefect.tasks.core.constants": {"headrace.tasks": "Constant"},
    "prefect.tasks.core.function": {"headrace.tasks": "FunctionTask"},
    "prefect.tasks.core.operators": {
        "headrace.core.operators": (
            "Add And Div Equal FloorDiv GetAttr GetItem GreaterThan GreaterThanOrEqual LessThan "
            "LessThanOrEqual Mod Mul Not NotEqual Or Pow Sub"
        ),
    },
    "prefect.tasks.core.resource_manager": {
        "headrace.tasks": "ResourceManager resource_cleanup_trigger resource_manager",
    },
    "prefect.tasks.notifications": {"headrace.tasks": "EmailTask SlackTask"},
    "prefect.tasks.notifications.email_task": {"headrace.tasks": "EmailTask"},
    "prefect.tasks.notifications.slack_task": {"headrace.tasks": "SlackTask"},
    "prefect.tasks.prefect": {
        "headrace.tasks": (
            "CancelFlowRun RenameFlowRun StartFlowRun create_flow_run get_task_run_result "
            "wait_for_flow_run"
        ),
    },
    "prefect.tasks.prefect.flow_run": {
        "headrace.tasks": ("StartFlowRun create_flow_run get_task_run_result wait_for_flow_run"),
    },
    "prefect.tasks.prefect.flow_run_cancel": {"headrace.tasks": "CancelFlowRun"},
    "prefect.tasks.prefect.flow_run_rename": {"headrace.tasks": "RenameFlowRun"},
    "prefect.tasks.secrets": {"headrace.tasks": "EnvVarSecret PrefectSecret SecretBase"},
    "prefect.tasks.secrets.base": {"headrace.tasks": "PrefectSecret SecretBase"},
    "prefect.tasks.secrets.env_var": {"headrace.tasks": "EnvVarSecret"},
    "prefect.tasks.shell": {"headrace.tasks": "ShellTask"},
    "prefect.tasks.templates": {f"{_OWN}.string_formatter": "StringFormatter"},
    "prefect.tasks.templates.strings": {f"{_OWN}.string_formatter": "StringFormatter"},
    "prefect.triggers": {
        "headrace.triggers": (
            "all_failed all_finished all_successful always_run any_failed any_successful "
            "manual_only not_all_skipped some_failed some_successful"
        ),
    },
    "prefect.utilities": {},
    "prefect.utilities.collections": {
        f"{_OWN}.collections": (
            "CompoundKey DotDict as_nested_dict dict_to_flatdict flatdict_to_dict flatten_seq "
            "merge_dicts"
        ),
    },
    "prefect.utilities.configuration": {"headrace.config": "set_temporary_config"},
    "prefect.utilities.context": {
        f"{_OWN}.collections": "Context",
        "headrace": "context",
    },
    "prefect.utilities.debug": {"headrace.debug": "is_serializable raise_on_exception"},
    "prefect.utilities.edges": {"headrace": "flatten mapped unmapped"},
    "prefect.utilities.logging": {"headrace.config.logging": "RedirectToLog get_logger"},
    "prefect.utilities.notifications": {
        "headrace.notifications": "callback_factory slack_notifier",
    },
    "prefect.utilities.notifications.notifications": {
        "headrace.notifications": "callback_factory slack_notifier",
    },
    "prefect.utilities.storage": {
        "headrace.flow_files": "flow_from_bytes_pickle flow_to_bytes_pickle",
        "headrace.loading": "extract_flow_from_file extract_flow_from_module",
    },
    "prefect.utilities.tasks": {
        "headrace": "apply_map as_task defaults_from_attrs pause_task tags task",
    },
}


def _read(sources: dict[str, str]) -> dict[str, tuple[str, str]]:
    names: dict[str, tuple[str, str]] = {}
    for source, text in sources.items():
        words = iter(text.replace(" as ", ">").split())
        for word in words:
            name, _, alias = word.partition(">")
            names[alias or name] = (source, name)
    return names


#: Of each module: its names, and of each name the module that has it, and its name there.
MODULES: Final = {module: _read(sources) for module, sources in _SOURCES.items()}

#: The version whose names and arguments these are.
VERSION: Final = "1.4.1"
