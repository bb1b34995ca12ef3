"""The pipeline: what runs when. Specs, the flow, the runner, the store, tracking and the command line."""
