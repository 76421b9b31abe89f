"""Training by gradients: the loop, what it keeps, and how a task becomes one."""
