"""Features of images from a frozen backbone: computed once, on the fastest engine that agrees with torch."""
