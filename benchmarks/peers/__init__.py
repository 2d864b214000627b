"""Other orchestrators, measured beside Headrace in environments of their own."""
