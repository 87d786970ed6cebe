"""The command line: one file per command, each its arguments, one library call, one output call."""
