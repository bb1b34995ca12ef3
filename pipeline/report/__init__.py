"""Charts and tables that several reports share."""
