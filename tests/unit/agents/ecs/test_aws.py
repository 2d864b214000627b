"""What AWS's own package objects to, before anything is asked."""

import pytest

from headrace.agents.ecs.aws import Aws
from headrace.core.errors import ConfigError, DeploymentError


@pytest.mark.parametrize(
    "environment", [[{"name": "P", "value": ["s3cr3t, type"]}], ["s3cr3t"], "s3cr3t"]
)
def test_values_of_variables_are_not_repeated(environment):
    aws = Aws("eu-west-1", {"aws_access_key_id": "a", "aws_secret_access_key": "b"}, None)
    ecs = aws.client("ecs")
    overrides = {"containerOverrides": [{"name": "flow", "environment": environment}], "cpu": 5}
    with pytest.raises(DeploymentError, match="environment") as caught:
        aws.once("RunTask", lambda: ecs.run_task(taskDefinition="t", overrides=overrides))
    aws.close()
    assert caught.value.is_final
    assert "s3cr3t" not in str(caught.value)
    assert "overrides.cpu, value: 5, type: <class 'int'>" in str(caught.value)


def test_a_configuration_of_botocore_that_is_none():
    with pytest.raises(ConfigError, match="botocore_config.*'nonsense'"):
        Aws("eu-west-1", None, {"nonsense": 1})
