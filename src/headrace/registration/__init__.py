"""Registration: telling a server about a flow, and what would go wrong with it before it does.

`register` sends a flow's description. `preflight` looks for what would fail in deployment.
"""

from headrace.registration.finding import Finding as Finding
from headrace.registration.preflight import preflight as preflight
from headrace.registration.registering import register as register
