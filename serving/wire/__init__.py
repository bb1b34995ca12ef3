"""What travels between client and server: tensors, messages and errors."""
