"""The `ship` stage: a bundle to one device or many; each then serves the new version whole, or still the old one.

What happens on the device is `edgetl.device.install`.
"""
