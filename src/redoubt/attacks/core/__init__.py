"""What every attack shares: its entry and exit, counted passes, losses, steps in a ball, draws of random models."""
