"""Cache validators: whether a cached result may be used again."""

from headrace.core.caching import all_inputs as all_inputs
from headrace.core.caching import all_parameters as all_parameters
from headrace.core.caching import duration_only as duration_only
from headrace.core.caching import never_use as never_use
from headrace.core.caching import partial_inputs_only as partial_inputs_only
from headrace.core.caching import partial_parameters_only as partial_parameters_only
