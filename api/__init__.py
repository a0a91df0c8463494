"""The ways in: HTTP routes and the command line."""
