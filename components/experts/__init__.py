"""Fits experts: classical models whose margins enter the network. One kind per module."""
