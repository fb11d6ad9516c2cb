"""Claims with planted violations, and the truth about them."""

from synthetic.feeds import synthesize

__all__ = ["synthesize"]
