"""Contract suites and fakes, for tests of flows and of what people build on Headrace."""
