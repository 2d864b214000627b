"""The subcommands of `headrace`, one in each module, called `command` there."""
