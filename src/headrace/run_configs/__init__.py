"""Run configs: how a flow run is deployed, as plain frozen data. No vendor's package is needed.

`flow.run()` does not look at them. An agent does: each kind says what the agent of that kind starts,
and `UniversalRun` suits any.
"""

from headrace.run_configs.base import RunConfig as RunConfig
from headrace.run_configs.base import UniversalRun as UniversalRun
from headrace.run_configs.docker import DockerRun as DockerRun
from headrace.run_configs.ecs import ECSRun as ECSRun
from headrace.run_configs.kubernetes import KubernetesRun as KubernetesRun
from headrace.run_configs.local import LocalRun as LocalRun
from headrace.run_configs.vertex import VertexRun as VertexRun
