"""What a flow is: tasks, edges, states, triggers, schedules. Standard library only, no IO."""
