"""Yardsticks for speed: what a competent analyst would write instead of this engine. They share no code with it."""
