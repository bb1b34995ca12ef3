"""Methods that combine one gradient per task."""
