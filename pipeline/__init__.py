"""What runs when: specs, the flow, the runner, the store, tracking and the command line."""
