"""The runner: all inference outside training, on the host and on the device.

Standard library, numpy, Pillow and one engine; Python 3.10; imports nothing else of edgetl.
"""
