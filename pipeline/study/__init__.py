"""Evidence: does sharing or transferring help here, and what should be run?"""
