"""Thiqa: customer support for online shops, in Arabic and English."""

import os

# The encoder's OpenMP threads spin while they wait for each other: beside other work on the same cores a message took
# 580 ms instead of 40. Read once, when the first library with OpenMP (scikit-learn's) is loaded; so before any is.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
