"""The `bundle` stage: one file with the chosen model, what it must do, and the program that runs and checks it.

What a bundle is, and how one is opened, is `edgetl.device.bundle`: a device opens it too.
"""
