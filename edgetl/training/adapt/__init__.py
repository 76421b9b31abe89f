"""Adapting a trained classifier to another domain, of which there are images without labels.

::

    Trained ─┐
    Target  ─┴▶ Problem ── METHODS ──▶ Network (backbone, head) ── report ──▶ Adaptation
                                                                     │
                                                   Check (labels, for nothing but the report)

`target` reads the images, `methods` is the table, `stage` is the entry.
"""
