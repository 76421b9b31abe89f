"""``python -m edgetl.device``: a runner on standard input and output."""

from edgetl.device.worker import main

if __name__ == "__main__":
    main()
