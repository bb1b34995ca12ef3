"""TF Serving's APIs: REST and gRPC requests to calls of the served models, and back."""
