"""Serve a trained model over REST and gRPC: export, push destinations, server, client."""
