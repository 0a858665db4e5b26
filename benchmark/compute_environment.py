"""The environment of a process that computes: what glibc and oneDNN read once, when it starts."""

import os

SETTINGS = {
    # glibc hands large blocks back to the kernel and gets them zeroed again, in each step: kept, an LSTM trains 485
    # reviews/s in place of 404 (batch 64, medians of three in turn).
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    # oneDNN keeps 1,024 compiled kernels, and each length of a batch wants its own: 64 are those of the last lengths,
    # and an LSTM's peak is 0.65 GiB in place of 1.3 after 6,400 reviews, and rising.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
}


def compute_environment() -> dict[str, str]:
    """This process's environment with the settings, of which those that the user has made stay."""
    return SETTINGS | os.environ
