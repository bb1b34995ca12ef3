"""Methods that weight the losses of the tasks."""
