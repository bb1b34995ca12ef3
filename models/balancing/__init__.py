"""Balancing methods: how the losses of several tasks become one update. One file per method."""
