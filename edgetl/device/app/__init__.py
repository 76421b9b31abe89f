"""The program in a bundle: ``python BUNDLE verify | predict | bench``, with nothing else of edgetl installed."""
