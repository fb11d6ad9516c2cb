"""Claims with planted violations, and the truth about them."""

from engine.synthetic.feeds import synthesize

__all__ = ["synthesize"]
