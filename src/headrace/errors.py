"""The errors that Headrace raises; `headrace.core.errors` draws their tree."""

from headrace.core.errors import *  # noqa: F403 - the one file of all errors
