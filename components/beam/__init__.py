"""Runs work on units in parallel with Apache Beam."""
