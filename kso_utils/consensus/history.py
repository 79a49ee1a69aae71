"""Past votes in the order in which they came, and running sums over them."""

from __future__ import annotations
