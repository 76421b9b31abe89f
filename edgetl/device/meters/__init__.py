"""What says how much energy was consumed: one file each."""
