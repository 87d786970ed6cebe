"""What goes wrong in a training run, seen while it goes on and said in plain words."""
